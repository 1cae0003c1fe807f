import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  type BuildOptions,
  buildModel,
  type ElementType,
  type GraphBuilder,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['clip-chain']
const { NaN: notANumber, POSITIVE_INFINITY, NEGATIVE_INFINITY } = Number
/** All that clamps treat in their own way. */
const odd = Tensor.fromNumbers(
  'float32',
  [12],
  [notANumber, -0, 0, POSITIVE_INFINITY, NEGATIVE_INFINITY, 1, 5, -5, 0.5, 3, -2, 7],
)

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions & { type?: ElementType } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', options.type ?? 'float32', [12]))), {
    only,
    feeds: { x: odd },
    ...options,
  })

const clip = (g: GraphBuilder, x: Value, low?: number, high?: number): Value => g.op('Clip', [x, low, high])

describe('clip-chain merges', () => {
  it.each<[string, string, (g: GraphBuilder, x: Value) => Value]>([
    ['Relu and Clip', 'Clip', (g, x) => clip(g, g.op('Relu', [x]), -1, 6)],
    ['Clip and Relu', 'Clip', (g, x) => g.op('Relu', [clip(g, x, -2, 3)])],
    ['Clip and Clip', 'Clip', (g, x) => clip(g, clip(g, x, -1, 4), 0, 6)],
    ['Clips of disjoint ranges', 'Clip', (g, x) => clip(g, clip(g, x, 0, 1), 2, 3)],
    ['Clips of disjoint ranges, downward', 'Clip', (g, x) => clip(g, clip(g, x, 2, 3), -1, 1)],
    ['a Clip with its bounds in the wrong order', 'Clip', (g, x) => clip(g, clip(g, x, 3, 1), 0, 6)],
    ['a wrong order that is clipped to', 'Clip', (g, x) => clip(g, clip(g, x, 0, 5), 3, 1)],
    ['Max and Min', 'Clip', (g, x) => g.op('Min', [g.op('Max', [x, -1]), 2])],
    ['Min and Max', 'Clip', (g, x) => g.op('Max', [g.constant(-1), g.op('Min', [g.constant([2]), x])])],
    ['Max and Max', 'Max', (g, x) => g.op('Max', [g.op('Max', [x, -1]), 1])],
    ['Min and Min', 'Min', (g, x) => g.op('Min', [g.op('Min', [x, -1]), 1])],
    ['Max and Relu', 'Relu', (g, x) => g.op('Relu', [g.op('Max', [x, -1])])],
    ['Relu and Relu', 'Relu', (g, x) => g.op('Relu', [g.op('Relu', [x])])],
    ['Relu and a Clip from below', 'Clip', (g, x) => clip(g, g.op('Relu', [x]), -1)],
    ['Clips from one side each', 'Clip', (g, x) => clip(g, clip(g, x, 0), undefined, 6)],
  ])('%s', async (_, op, build) => {
    expect((await fused(build)).ops).toEqual([op])
  })

  it('Max with 0 is Relu, and so is a Clip to ∞', async () => {
    expect((await fused((g, x) => g.op('Max', [x, 0]))).ops).toEqual(['Relu'])
    expect((await fused((g, x) => clip(g, x, 0, POSITIVE_INFINITY))).ops).toEqual(['Relu'])
  })

  it('Clips with attributes (opset 10)', async () => {
    const { ops } = await fused((g, x) => g.op('Relu', [g.op('Clip', [x], { min: -1, max: 6 })]), { opset: 10 })
    expect(ops).toEqual(['Clip'])
  })

  it('Max and Min of opset 10 stay two, as which a Clip is lowered there', async () => {
    const lowered = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1, 3, 2, 2])
        // Keeps the model from a newer opset.
        g.output('y', g.op('Softmax', [g.op('Clip', [x], { min: -1, max: 6 })], { axis: 1 }))
      },
      { opset: 10 },
    )
    expect(lowered.ops).toEqual(['Max', 'Min', 'Softmax'])
    const joined = await fused((g, x) => g.op('Min', [g.op('Clip', [x], { min: -1, max: 6 }), 4]), { opset: 10 })
    expect(joined.ops).toEqual(['Clip'])
  })

  it('float16, and whole numbers since opset 12', async () => {
    const half = await fused(
      (g, x) => g.op('Relu', [g.op('Clip', [x, undefined, Tensor.fromNumbers('float16', [], [6])])]),
      { type: 'float16', feeds: { x: new Random(1).tensor([12], 'float16') } },
    )
    expect(half.ops).toEqual(['Clip'])
    const three = Tensor.fromNumbers('int32', [], [3])
    const two = Tensor.fromNumbers('int32', [], [-2])
    const whole = await fused((g, x) => g.op('Max', [g.op('Min', [x, three]), two]), {
      type: 'int32',
      feeds: { x: new Random(1).tensor([12], 'int32', [-9, 9]) },
    })
    expect(whole.ops).toEqual(['Clip'])
  })
})

describe('clip-chain leaves alone', () => {
  it('Clip from 0 alone, which stops ∞ at the largest number', async () => {
    expect((await fused((g, x) => clip(g, x, 0))).ops).toEqual(['Clip'])
  })

  it('a bound that is computed', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const x = g.op('Clip', [g.input('x', 'float32', [12]), g.input('low', 'float32', [])])
        g.output('y', g.op('Clip', [x, 0, 1]))
      },
      { only, feeds: { x: odd, low: Tensor.fromNumbers('float32', [], [-1]) } },
    )
    expect(ops).toEqual(['Clip', 'Clip'])
    expect(reasons).toEqual([expect.stringMatching(/the bound "low" .* is computed/)])
  })

  it('a result with other users', async () => {
    const { ops, reasons } = await fused((g, x) => clip(g, g.output('relu', g.op('Relu', [x])), 0, 6))
    expect(ops).toEqual(['Relu', 'Clip'])
    expect(reasons).toEqual(['"relu" is an output of its graph'])
  })

  it('Max with a tensor, with a constant of higher rank, with notANumber, and of three', async () => {
    expect((await fused((g, x) => g.op('Relu', [g.op('Max', [x, new Random(1).tensor([12])])]))).ops).toEqual([
      'Max',
      'Relu',
    ])
    expect(
      (await fused((g, x) => g.op('Relu', [g.op('Max', [x, Tensor.fromNumbers('float32', [1, 1], [-1])])]))).ops,
    ).toEqual(['Max', 'Relu'])
    expect((await fused((g, x) => g.op('Relu', [g.op('Max', [x, notANumber])]))).ops).toEqual(['Max', 'Relu'])
    expect((await fused((g, x) => g.op('Relu', [g.op('Max', [x, -1, 1])]))).ops).toEqual(['Max', 'Relu'])
  })

  it('a constant that may raise an unknown rank, and functions of other domains', () => {
    const model = buildModel(
      (g) => {
        const x = g.op('Reshape', [g.input('x', 'float32', [4]), g.input('shape', 'int64', ['rank'])])
        g.output('y', g.op('Relu', [g.op('Max', [x, g.constant([-1])])]))
        g.output('z', g.op('Relu', [g.op('Relu', [x], {}, { domain: 'my.ops' })]))
      },
      { opsets: { 'my.ops': 1 } },
    )
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('whole numbers whose operator the opset has not', async () => {
    const three = Tensor.fromNumbers('int64', [], [3])
    const { ops } = await fused((g, x) => g.op('Max', [g.op('Min', [x, three]), three]), {
      type: 'int64',
      feeds: { x: new Random(1).tensor([12], 'int64', [-9, 9]) },
    })
    expect(ops).toEqual(['Min', 'Max'])
    const bound = (number: number): Tensor => Tensor.fromNumbers('int32', [], [number])
    const reasons = reasonsForLeaving(
      'clip-chain',
      (g) => g.output('y', g.op('Max', [g.op('Min', [g.input('x', 'int32', [12]), bound(3)]), bound(-3)])),
      { opset: 10 },
    )
    expect(reasons).toEqual(['no operator of this opset has the bounds of both'])
  })
})

it('computes the same for random clamps of odd numbers', async () => {
  const bound = fc.constantFrom(-2, -0, 0, 1, 3, POSITIVE_INFINITY, NEGATIVE_INFINITY)
  const optional = fc.option(bound, { nil: undefined })
  const step = fc.oneof(
    fc.record({ op: fc.constant('Clip'), low: optional, high: optional }),
    fc.record({ op: fc.constantFrom('Max', 'Min'), low: bound, high: fc.constant(undefined) }),
    fc.record({ op: fc.constant('Relu'), low: fc.constant(undefined), high: fc.constant(undefined) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      await fused((g, x) =>
        steps.reduce(
          (value, { op, low, high }) =>
            g.op(op, op === 'Clip' ? [value, low, high] : op === 'Relu' ? [value] : [value, low]),
          x,
        ),
      )
    }),
    { numRuns: 100 },
  )
})
