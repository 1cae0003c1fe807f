import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const fused = (build: (g: GraphBuilder, x: Value) => Value, options: Parameters<typeof fuseGraph>[1] = {}) =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', ['n', 3, 4]))), {
    only: ['stable-log-sum-exp'],
    opset: 18,
    ...options,
  })

const stable = ['ReduceMax', 'Clip', 'Sub', 'ReduceLogSumExp', 'Add']

describe('stable-log-sum-exp takes the greatest number out of', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value, number, string[]]>([
    ['one axis that stays', (g, x) => g.op('ReduceLogSumExp', [x, int64([2])], { keepdims: 1 }), 18, stable],
    [
      'axes that go',
      (g, x) => g.op('ReduceLogSumExp', [x, int64([0, -1])], { keepdims: 0 }),
      18,
      [...stable, 'Squeeze'],
    ],
    [
      'axes as an attribute',
      (g, x) => g.op('ReduceLogSumExp', [x], { axes: [1], keepdims: 0 }),
      13,
      [...stable, 'Squeeze'],
    ],
    [
      'axes as an attribute, in opset 11',
      (g, x) => g.op('ReduceLogSumExp', [x], { axes: [1], keepdims: 0 }),
      12,
      [...stable, 'Squeeze'],
    ],
    ['all axes', (g, x) => g.op('ReduceLogSumExp', [x], { keepdims: 0 }), 18, [...stable, 'Squeeze']],
  ])('%s', async (_name, build, opset, expected) => {
    expect((await fused(build, { opset })).ops).toEqual(expected)
  })

  it('numbers of any size, infinities included', async () => {
    const number = fc.oneof(
      fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, -3.4e38, 88.8, -104, 0),
      fc.float({ noNaN: true, min: -1000, max: 1000 }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(number, { minLength: 12, maxLength: 12 }),
        fc.constantFrom(-1, 1),
        async (numbers, axis) => {
          const x = Tensor.fromNumbers('float32', [1, 3, 4], numbers)
          await fused((g, input) => g.op('ReduceLogSumExp', [input, int64([axis])]), { feeds: { x } })
        },
      ),
      { numRuns: 30 },
    )
  })
})

describe('stable-log-sum-exp leaves alone', () => {
  it('what is a distance to the greatest number already', async () => {
    const { ops } = await fused((g, x) =>
      g.op('ReduceLogSumExp', [g.op('Sub', [x, g.op('ReduceMax', [x, int64([2])])]), int64([2])]),
    )
    expect(ops).toEqual(['ReduceMax', 'Sub', 'ReduceLogSumExp'])
  })

  it('integers, of which the kernels make integers', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', g.op('ReduceLogSumExp', [g.input('x', 'int32', [3, 4]), int64([1])])),
      { only: ['stable-log-sum-exp'], opset: 18, feeds: { x: new Random(1).tensor([3, 4], 'int32') } },
    )
    expect(ops).toEqual(['ReduceLogSumExp'])
  })

  it('a reduction of nothing, and an opset whose Clip has no kernel', async () => {
    const nothing = await fused((g, x) => g.op('ReduceLogSumExp', [x], { noop_with_empty_axes: 1 }))
    expect(nothing.reasons).toEqual(['it may reduce nothing'])
    const old = await fused((g, x) => g.op('ReduceLogSumExp', [x], { axes: [1] }), { opset: 10 })
    expect(old.reasons).toEqual(['Clip has no WebGPU kernel for float32 in opset 10 either'])
  })

  it('everything when the target is the standard', async () => {
    const { ops } = await fused((g, x) => g.op('ReduceLogSumExp', [x, int64([2])]), { target: 'onnx' })
    expect(ops).toEqual(['ReduceLogSumExp'])
  })
})
