import { describe, expect, it } from 'vitest'
import { normalize } from '../../test/support/batch-norm.ts'
import { findNode, operators } from '../../test/support/find.ts'
import { Random } from '../../test/support/run-model.ts'
import { buildModel, type GraphBuilder, lint, type Model, tensorType } from '../graph/index.ts'
import { deadNode } from './canonical/dead-node.ts'
import { identity } from './canonical/identity.ts'
import { inferredContext } from './context.ts'
import { defineFusion, type Fusion } from './define-fusion.ts'
import { type DriverResult, runFusions, wrongRewrite } from './driver.ts'
import { FusionError } from './errors.ts'
import { fuse } from './fuse.ts'
import { convBatchNorm } from './linear/conv-batch-norm.ts'
import { any, node } from './pattern.ts'

const run = (model: Model, fusions: readonly Fusion[]): DriverResult =>
  runFusions(model, fusions, inferredContext(model))

/** A fusion that never fires and counts how often it is asked. */
const counter = (): Fusion & { attempts: number } => {
  const fusion = {
    name: 'counter',
    roots: ['*'],
    attempts: 0,
    attempt: () => {
      fusion.attempts++
      return undefined
    },
  }
  return fusion
}

/** x → the operators, one after another → y */
const chain = (ops: readonly string[]): Model =>
  buildModel((g) =>
    g.output(
      'y',
      ops.reduce((value, op) => g.op(op, [value]), g.input('x')),
    ),
  )

const repeat = (count: number, ...ops: string[]): string[] => Array.from({ length: count }, () => ops).flat()

const renameOp = (from: string, to: string, name: string): Fusion =>
  defineFusion({ name, roots: [from], rewrite: (root, g) => g.op(to, [root.inputs[0]]) })

describe('the cost is linear in the graph:', () => {
  it('each node is looked at once when nothing fires', () => {
    const count = counter()
    run(chain(repeat(1000, 'Relu')), [count])
    expect(count.attempts).toBe(1000)
  })

  it('after a rewrite only what is near it is looked at again', () => {
    const count = counter()
    const ops = repeat(1000, 'Relu')
    ops[500] = 'Identity'
    run(chain(ops), [identity, count])
    expect(count.attempts).toBeLessThan(1000 + 10)
  })

  it('100,000 nodes of which every second goes', () => {
    const [small, large] = [1_000, 100_000].map((size) => {
      const count = counter()
      const model = chain(repeat(size / 2, 'Identity', 'Relu'))
      const { steps } = run(model, [count, deadNode, identity, convBatchNorm])
      expect(steps).toHaveLength(size / 2)
      expect(model.graph.nodes.length).toBe(size / 2)
      return count.attempts / size
    })
    expect(large).toBeLessThan(3)
    expect(large).toBeCloseTo(small ?? 0, 1)
  })

  it('100,000 nodes that all go because the last is dead', () => {
    const count = counter()
    const model = buildModel((g) => {
      const x = g.input('x')
      let value = x
      for (let index = 0; index < 100_000; index++) value = g.op('Relu', [value])
      g.output('y', g.op('Neg', [x]))
    })
    run(model, [count, deadNode])
    expect(operators(model)).toEqual(['Neg'])
    expect(count.attempts).toBeLessThanOrEqual(100_001)
  })

  it('one value with thousands of users', () => {
    const count = counter()
    const model = buildModel((g) => {
      const x = g.input('x')
      for (let index = 0; index < 2000; index++) g.output(`y${index}`, g.op('Relu', [g.op('Identity', [x])]))
    })
    run(model, [count, identity])
    expect(model.graph.nodes.length).toBe(2000)
    expect(count.attempts).toBeLessThan(4 * 4000)
  })
})

describe('fusions', () => {
  it('are tried in the order of the list, those for every operator in their place', () => {
    const asked: string[] = []
    const ask = (name: string, roots: string[]): Fusion => ({
      name,
      roots,
      attempt: () => {
        asked.push(name)
        return undefined
      },
    })
    run(chain(['Relu']), [ask('first', ['*']), ask('second', ['Relu']), ask('third', ['*']), ask('other', ['Neg'])])
    expect(asked).toEqual(['first', 'second', 'third'])
  })

  it('go on until none fires: what one makes, another takes', () => {
    const model = chain(['A', 'A'])
    const { steps } = run(model, [renameOp('B', 'C', 'b-c'), renameOp('A', 'B', 'a-b')])
    expect(operators(model)).toEqual(['C', 'C'])
    expect(steps.map(({ fusion }) => fusion).sort()).toEqual(['a-b', 'a-b', 'b-c', 'b-c'])
    lint(model.graph)
  })

  it('reach graphs that are nested, and nested in those', () => {
    const model = buildModel((g) => {
      const x = g.input('x')
      const c = g.input('c', 'bool', [])
      const deep = g.subgraph((b) => b.output('d', b.op('A', [x])))
      const body = g.subgraph((b) => b.output('o', b.op('If', [b.op('A', [x])], { then_branch: deep })))
      g.output('y', g.op('If', [c], { then_branch: body }))
    })
    run(model, [renameOp('A', 'B', 'a-b')])
    expect(operators(model)).toEqual(['If', 'B', 'If', 'B'])
    lint(model.graph)
  })

  it('are told apart by domain', () => {
    const model = buildModel((g) => {
      const x = g.input('x')
      g.output('y', g.op('A', [x]))
      g.output('z', g.op('A', [x], {}, { domain: 'my.domain' }))
    })
    run(model, [renameOp('my.domain::A', 'B', 'a-b')])
    expect(operators(model)).toEqual(['A', 'B'])
  })

  it('that would go on for ever are stopped, and named', () => {
    const endless = [renameOp('A', 'B', 'a-b'), renameOp('B', 'A', 'b-a')]
    expect(() => run(chain(['A']), endless)).toThrow(FusionError)
    expect(() => run(chain(['A']), endless)).toThrow(
      expect.objectContaining({ code: 'endless', fusion: expect.stringMatching(/a-b|b-a/) }),
    )
  })
})

describe('a value that is new', () => {
  it('bears the name of what it stands for; one that was there keeps its own', () => {
    const model = buildModel((g) => {
      const old = g.op('A', [g.input('x')], {}, { outputs: ['old'] })
      const gone = g.op('Identity', [old], {}, { outputs: ['gone'] })
      g.output('y', g.op('Relu', [gone]))
    })
    run(model, [renameOp('A', 'B', 'a-b'), identity])
    expect(findNode(model, 'B').output.name).toBe('old')
    expect(findNode(model, 'Relu').inputs[0]?.name).toBe('old')
  })

  it('has the declared type of what it stands for', () => {
    const model = buildModel((g) => {
      g.output('y', g.op('Relu', [g.op('A', [g.input('x')], {}, { types: [tensorType('float32', ['n', 4])] })]))
    })
    run(model, [renameOp('A', 'B', 'a-b')])
    expect(findNode(model, 'B').output.type).toEqual(tensorType('float32', ['n', 4]))
  })
})

describe('a rewrite that changes what a value is', () => {
  it.each([
    ['type', tensorType('float16', [2, 3]), /is float32, and would become float16/],
    ['rank', tensorType('float32', [2, 3, 1]), /is \[2, 3\], and would become \[2, 3, 1\]/],
    ['size', tensorType('float32', [2, 4]), /is \[2, 3\], and would become \[2, 4\]/],
  ])('of another %s is not made, and leaves nothing behind', (_, type, reason) => {
    const model = buildModel((g) =>
      g.output('y', g.op('Neg', [g.op('Relu', [g.input('x', 'float32', [2, 3])], {}, { name: 'relu' })])),
    )
    const wrong = defineFusion({
      name: 'wrong',
      roots: ['Relu'],
      rewrite: (root, g) => g.op('Unknown', [root.inputs[0], [1, 2]], {}, { types: [type] }),
    })
    const { steps, nearMisses } = run(model, [wrong])
    expect(steps).toEqual([])
    expect(nearMisses).toEqual([{ fusion: 'wrong', node: 'relu', reason: expect.stringMatching(reason) }])
    expect(nearMisses[0]?.reason.startsWith(wrongRewrite)).toBe(true)
    expect(operators(model)).toEqual(['Relu', 'Neg'])
    expect(model.graph.initializers.size).toBe(0)
    lint(model.graph)
  })
})

it('what comes behind a user of the value that it is to replace is not put in its place', () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', [2])
    g.output('early', g.op('Neg', [g.op('A', [x])]))
    g.output('late', g.op('B', [x]))
  })
  const tooLate = defineFusion({
    name: 'too-late',
    roots: ['B'],
    rewrite(root, g) {
      const [first] = root.graph.nodes
      const value = g.op('C', root.inputs)
      return (
        first && [
          { from: first.output, to: value },
          { from: root.output, to: g.op('Neg', [value]) },
        ]
      )
    },
  })
  const { steps, nearMisses } = run(model, [tooLate])
  expect(steps).toEqual([])
  expect(nearMisses.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^wrong rewrite: ".*" comes behind Neg/),
  ])
  expect(operators(model)).toEqual(['A', 'Neg', 'B'])
  lint(model.graph)
})

it('an error inside a fusion is told with its name and the node', () => {
  const failing = defineFusion({
    name: 'failing',
    roots: ['A'],
    rewrite: () => {
      throw new RangeError('Invalid array length')
    },
  })
  expect(() => run(chain(['A']), [failing])).toThrow(
    expect.objectContaining({
      code: 'failed',
      fusion: 'failing',
      message: expect.stringMatching(/failing failed on .*: Invalid array length\. .*skip/),
    }),
  )
})

describe('near misses', () => {
  const random = new Random(2)
  const conv = (g: GraphBuilder) => g.op('Conv', [g.input('x', 'float32', [1, 2, 3, 3]), random.tensor([2, 2, 1, 1])])

  it('are told once, with the fusion, the node and the reason', () => {
    const model = buildModel((g) => {
      const value = conv(g)
      g.output('y', normalize(g, value, 2))
      g.output('z', g.op('Relu', [value], {}, { name: 'relu' }))
    })
    expect(fuse(model, { only: ['conv-batch-norm', 'identity', 'dead-node'] }).report.nearMisses).toEqual([
      { fusion: 'conv-batch-norm', node: 'norm', reason: expect.stringMatching(/^".*" has 2 users: norm, relu$/) },
    ])
  })

  it('are forgotten when the reason goes away: a dead second user', () => {
    const model = buildModel((g) => {
      const value = conv(g)
      g.output('y', normalize(g, value, 2))
      g.op('Exp', [g.op('Relu', [value])])
    })
    const { model: fused, report } = fuse(model, { only: ['conv-batch-norm', 'dead-node'] })
    expect(operators(fused)).toEqual(['Conv'])
    expect(report.nearMisses).toEqual([])
  })

  it('are forgotten when the pattern goes away and the node stays', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.op('Identity', [g.op('Exp', [g.input('x')])])])))
    const picky = defineFusion({
      name: 'picky',
      roots: ['Exp'],
      rewrite: ({ output }) =>
        [...output.users].some((user) => user.is('Identity')) ? 'an identity follows' : undefined,
    })
    expect(run(model, [picky]).nearMisses).toHaveLength(1)
    expect(run(model, [picky, identity]).nearMisses).toEqual([])
    expect(operators(model)).toEqual(['Exp', 'Relu'])
  })

  it('are forgotten when the node goes away', () => {
    const model = buildModel((g) => {
      const value = conv(g)
      g.output('y', g.op('Relu', [value]))
      g.op('Exp', [normalize(g, value, 2)])
    })
    expect(fuse(model, { only: ['conv-batch-norm', 'dead-node'] }).report.nearMisses).toEqual([])
  })

  it('name a node without a name by its operator and output', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.op('Neg', [g.input('x')])])))
    const picky = defineFusion({ name: 'picky', pattern: node('Relu', [any()]), replace: () => 'it is Tuesday' })
    expect(run(model, [picky]).nearMisses).toEqual([{ fusion: 'picky', node: 'Relu(y)', reason: 'it is Tuesday' }])
  })
})

describe('a fusion that requires an operator', () => {
  it('is attempted in a model that has it, be it made on the way, and in no other', () => {
    const attempted: string[] = []
    const watching: Fusion = {
      name: 'watching',
      roots: ['Relu'],
      requires: ['Exp'],
      attempt: (root) => void attempted.push(root.toString()),
    }
    const making = defineFusion({
      name: 'making',
      roots: ['Neg'],
      rewrite: (root, graph) => graph.op('Exp', [root.inputs[0]]),
    })
    const model = buildModel((g) => {
      const x = g.input('x')
      g.op('Relu', [x], {}, { name: 'before' })
      g.op('Neg', [x])
      g.output('y', g.op('Relu', [x], {}, { name: 'after' }))
    })
    run(model, [watching])
    expect(attempted).toEqual([])
    run(model, [making, watching])
    expect(attempted).toEqual(['after'])
  })
})
