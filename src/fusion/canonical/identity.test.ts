import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { findNode, operators } from '../../../test/support/find.ts'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, concatenate, decode, encode, type GraphBuilder, lint, Tensor } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['identity']
const image = [2, 3]

describe('identity goes', () => {
  it('between nodes, and in chains', async () => {
    const build = (g: GraphBuilder): void => {
      const x = g.op('Identity', [g.op('Identity', [g.input('x', 'float32', image)])])
      g.output('y', g.op('Neg', [g.op('Identity', [g.op('Relu', [x])])]))
    }
    const { ops, report } = await fuseGraph(build, { only })
    expect(ops).toEqual(['Relu', 'Neg'])
    expect(report.fusions).toEqual({ identity: 3 })
  })

  it('before an output, which keeps its name', async () => {
    const build = (g: GraphBuilder): void => {
      g.output('y', g.op('Identity', [g.op('Relu', [g.input('x', 'float32', image)], {}, { name: 'relu' })]))
    }
    const { model, ops } = await fuseGraph(build, { only })
    expect(ops).toEqual(['Relu'])
    expect(findNode(model, 'relu').output.name).toBe('y')
  })

  it('of a constant', async () => {
    const build = (g: GraphBuilder): void => {
      g.output('y', g.op('Add', [g.input('x', 'float32', image), g.op('Identity', [g.constant([1, 2, 3])])]))
    }
    expect((await fuseGraph(build, { only })).ops).toEqual(['Add'])
  })

  it('whose value a nested graph captures', async () => {
    const build = (g: GraphBuilder): void => {
      const value = g.op('Identity', [g.op('Relu', [g.input('x', 'float32', image)])])
      const branch = () => g.subgraph((b) => b.output('n', b.op('Neg', [value])))
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(), else_branch: branch() }))
    }
    const feeds = { x: new Random(1).tensor(image), c: Tensor.fromNumbers('bool', [], [1]) }
    const { model } = await fuseAndCompare(buildModel(build), { only, feeds })
    expect(operators(model)).toEqual(['Relu', 'If', 'Neg', 'Neg'])
  })
})

describe('identity stays', () => {
  it.each<[string, (g: GraphBuilder) => void, RegExp]>([
    [
      'from an input to an output',
      (g) => g.output('y', g.op('Identity', [g.input('x', 'float32', image)])),
      /would become an input/,
    ],
    [
      'from an initializer to an output',
      (g) => {
        g.output('y', g.op('Identity', [g.constant([1, 2])]))
        g.output('z', g.op('Relu', [g.input('x', 'float32', image)]))
      },
      /would become an initializer/,
    ],
    [
      'where one value would be two outputs',
      (g) => {
        const relu = g.op('Relu', [g.input('x', 'float32', image)])
        g.output('z', relu)
        g.output('y', g.op('Identity', [relu]))
      },
      /"y" and "z" would be one value/,
    ],
  ])('%s', async (_, build, reason) => {
    const { ops, reasons } = await fuseGraph(build, { only })
    expect(ops).toContain('Identity')
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('where a nested graph would output an outer value, which the runtime refuses', async () => {
    const build = (g: GraphBuilder): void => {
      const value = g.op('Relu', [g.input('x', 'float32', image)])
      const branch = (op: string) => g.subgraph((b) => b.output('n', b.op(op, [value])))
      g.output(
        'y',
        g.op('If', [g.input('c', 'bool', [])], { then_branch: branch('Identity'), else_branch: branch('Neg') }),
      )
    }
    for (const condition of [0, 1]) {
      const feeds = { x: new Random(1).tensor(image), c: Tensor.fromNumbers('bool', [], [condition]) }
      const { model, reasons } = await fuseAndCompare(buildModel(build), { feeds })
      expect(operators(model)).toEqual(['Relu', 'If', 'Identity', 'Neg'])
      expect(reasons).toContainEqual(expect.stringMatching(/from another graph/))
    }
  })

  it('in another domain', () => {
    const model = buildModel(
      (g) => g.output('y', g.op('Neg', [g.op('Identity', [g.input('x')], {}, { domain: 'my.domain' })])),
      {
        opsets: { 'my.domain': 1 },
      },
    )
    expect(fuse(model).model).toBe(model)
  })
})

it('an identity inside a nested graph goes, and a name it captured by stays right', () => {
  const model = buildModel((g) => {
    const relu = g.op('Relu', [g.input('x')], {}, { outputs: ['v'] })
    const body = g.subgraph((b) => {
      const inner = b.op('Identity', [relu])
      b.output('n', b.op('Add', [inner, b.op('Neg', [relu], {}, { outputs: ['v'] })]))
    })
    g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: body }))
  })
  const { model: fused } = fuse(model, { only })
  const read = decode(concatenate(encode(fused).chunks))
  lint(read.graph)
  const add = findNode(read, 'Add')
  expect(add.inputs[0]).toBe(findNode(read, 'Relu').output)
  expect(add.inputs[1]).toBe(findNode(read, 'Neg').output)
})

testDrawn(
  'identity',
  fc.record({
    steps: fc.array(
      fc.record({ op: fc.constantFrom('Identity', 'Identity', 'Neg', 'Add'), operands: fc.tuple(fc.nat(), fc.nat()) }),
      {
        minLength: 1,
        maxLength: 8,
      },
    ),
    shape: shapes({ min: 0 }),
    opset: fc.constantFrom(13, 17),
  }),
  ({ steps, shape, opset }) => ({
    build: (g) => {
      const values = [g.op('Relu', [g.input('x', 'float32', shape)])]
      const pick = (place: number) => values[place % values.length]
      for (const {
        op,
        operands: [a, b],
      } of steps)
        values.push(g.op(op, op === 'Add' ? [pick(a), pick(b)] : [pick(a)]))
      g.output('y', g.op('Sum', values))
    },
    opset,
    fires: steps.filter(({ op }) => op === 'Identity').length,
  }),
)
