import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dimsWithin, shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, int64, tensorType } from '../../graph/index.ts'
import { evaluate } from '../../plugin/evaluator.ts'
import { fuse } from '../fuse.ts'

const image = ['batch', 3, 4, 4]
const options = { evaluate, only: ['constant-node', 'constant-fold'] }

describe('constant-fold', () => {
  it('computes a whole chain of constants at once', async () => {
    const { ops } = await fuseGraph((g) => {
      const c = g.op('Mul', [g.op('Sqrt', [g.constant([4, 9, 16, 25])]), g.op('Exp', [g.constant([0, 1, 2, 3])])])
      g.output('y', g.op('Add', [g.input('x', 'float32', image), c]))
    }, options)
    expect(ops).toEqual(['Add'])
  })

  it('computes from Constant nodes, and from operators that take nothing', async () => {
    const { ops } = await fuseGraph((g) => {
      const c = g.op('Sin', [g.op('Constant', [], { value_floats: [1, 2, 3, 4] })])
      const zeros = g.op('ConstantOfShape', [int64([4])])
      g.output('y', g.op('Add', [g.input('x', 'float32', image), g.op('Add', [c, zeros])]))
    }, options)
    expect(ops).toEqual(['Add'])
  })

  it('gives a nested graph what it captures', async () => {
    const { ops } = await fuseGraph((g) => {
      const x = g.input('x', 'float32', [4])
      const c = g.op('Exp', [g.constant([1, 2, 3, 4])])
      const branch = (op: string) => g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [x, c])))
      const condition = g.input('condition', 'bool', [])
      const y = g.op('If', [condition], { then_branch: branch('Add'), else_branch: branch('Mul') })
      g.output('y', y)
    }, options)
    expect(ops).toEqual(['If'])
  })

  it('leaves what would make the file grow', async () => {
    const { ops, bytes } = await fuseGraph((g) => {
      const large = g.op('Expand', [g.constant([1]), int64([1, 1, 300, 300])])
      g.output('y', g.op('Add', [g.input('x', 'float32', [1, 1, 300, 300]), large]))
    }, options)
    expect(ops).toEqual(['Expand', 'Add'])
    expect(bytes.after).toBe(bytes.before)
  })

  it('replaces a large constant by one of the same size', async () => {
    const { ops } = await fuseGraph((g) => {
      const weight = g.op('Abs', [g.constant(new Float32Array(90_000).fill(-1), { dims: [300, 300] })])
      g.output('y', g.op('MatMul', [g.input('x', 'float32', [1, 300]), weight]))
    }, options)
    expect(ops).toEqual(['MatMul'])
  })

  it('leaves a large constant which another node needs as it is', async () => {
    const { ops } = await fuseGraph((g) => {
      const weight = g.constant(new Float32Array(90_000).fill(-1), { dims: [300, 300] })
      const y = g.op('MatMul', [g.input('x', 'float32', [1, 300]), g.op('Abs', [weight])])
      g.output('y', g.op('MatMul', [y, weight]))
    }, options)
    expect(ops).toEqual(['Abs', 'MatMul', 'MatMul'])
  })

  it('never folds what is random', async () => {
    const { model } = await fuseGraph((g) => {
      const noise = g.op('RandomNormal', [], { shape: [4] })
      g.output('y', g.op('Mul', [g.op('Mul', [noise, g.constant(0)]), g.input('x', 'float32', [4])]))
    }, options)
    expect([...model.graph.nodes].map(({ op }) => op)).toContain('RandomNormal')
  })

  it('leaves an output of the graph to be computed', async () => {
    const { ops } = await fuseGraph((g) => {
      g.output('z', g.op('Sqrt', [g.constant([4])]))
      g.output('y', g.op('Relu', [g.input('x', 'float32', [4])]))
    }, options)
    expect(ops).toEqual(['Sqrt', 'Relu'])
  })

  it('says why when the runtime cannot compute it', () => {
    const model = buildModel((g) => {
      const c = g.op('NoSuchOperator', [g.constant([1])], {}, { types: [tensorType('float32', [1])] })
      g.output('y', g.op('Add', [g.input('x', 'float32', [4]), c]))
    })
    const { report } = fuse(model, options)
    expect(report.nearMisses[0]?.reason).toMatch(/the runtime cannot compute/)
  })

  it('says so when the runtime gives nothing', () => {
    const model = buildModel((g) => {
      const c = g.op('Sqrt', [g.constant([4])])
      g.output('y', g.op('Add', [g.input('x', 'float32', [4]), c]))
    })
    const { model: fused, report } = fuse(model, { ...options, evaluate: () => ({}) })
    expect(fused).toBe(model)
    expect(report.nearMisses[0]?.reason).toMatch(/the runtime gave no ".+"/)
  })

  it('needs no runtime when it is given none', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', g.op('Add', [g.input('x', 'float32', [4]), g.op('Sqrt', [g.constant([4])])])),
      { only: ['constant-fold'] },
    )
    expect(ops).toEqual(['Sqrt', 'Add'])
  })
})

testDrawn(
  'constant-fold',
  fc.record({
    dims: shapes().chain((shape) => fc.array(dimsWithin(shape), { minLength: 2, maxLength: 4 })),
    steps: fc.array(
      fc.record({
        op: fc.constantFrom('Add', 'Mul', 'Sub', 'Max', 'Exp', 'Neg', 'Sin', 'Sigmoid'),
        operands: fc.tuple(fc.nat(), fc.nat()),
      }),
      { minLength: 2, maxLength: 10 },
    ),
    opset: fc.constantFrom(9, 13, 17),
  }),
  ({ dims, steps, opset }) => ({
    build: (g) => {
      const random = new Random(steps.length)
      const values = dims.map((own, index) =>
        index === 0 ? g.input('x', 'float32', own) : g.constant(random.tensor(own)),
      )
      const pick = (place: number) => values[place % values.length]
      for (const {
        op,
        operands: [a, b],
      } of steps) {
        values.push(g.op(op, ['Add', 'Mul', 'Sub', 'Max'].includes(op) ? [pick(a), pick(b)] : [pick(a)]))
      }
      g.output('y', g.op('Tanh', [g.op('Sum', values)]))
    },
    opset,
    evaluate,
    fires: dependsOnConstantsAlone(dims.length, steps),
  }),
)

/** Whether there is a node that takes no part of x, which is value 0. */
function dependsOnConstantsAlone(
  count: number,
  steps: readonly { op: string; operands: readonly [number, number] }[],
): boolean {
  const varies = Array.from({ length: count }, (_, index) => index === 0)
  for (const {
    op,
    operands: [a, b],
  } of steps) {
    const ofBoth = ['Add', 'Mul', 'Sub', 'Max'].includes(op)
    const [left, right] = [varies[a % varies.length] ?? false, ofBoth && (varies[b % varies.length] ?? false)]
    varies.push(left || right)
  }
  return varies.slice(count).includes(false)
}
