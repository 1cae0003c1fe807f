import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseFunction } from '../../../test/support/fuse-function.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['reduce-keep-dims']
const fused = fuseFunction(only, ['n', 3, 4, 5])
const dimensions = { n: 2 }

type Build = (g: GraphBuilder, x: Value) => Value

describe('reduce-keep-dims', () => {
  it.each<[string, number, Build, string]>([
    [
      'PyTorch: a mean over the image, unsqueezed',
      17,
      (g, x) => g.op('Unsqueeze', [g.op('ReduceMean', [x], { axes: [2, 3], keepdims: 0 }), int64([2, 3])]),
      'ReduceMean',
    ],
    [
      'the same of opset 11, one axis after the other',
      11,
      (g, x) => {
        const mean = g.op('ReduceMean', [x], { axes: [-1, -2], keepdims: 0 })
        return g.op('Unsqueeze', [mean], { axes: [-1, 2] })
      },
      'ReduceMean',
    ],
    [
      'a view of a batch and channels',
      18,
      (g, x) => g.op('Reshape', [g.op('ReduceMax', [x, int64([2, 3])], { keepdims: 0 }), int64([-1, 3, 1, 1])]),
      'ReduceMax',
    ],
    [
      'all axes',
      13,
      (g, x) => g.op('Reshape', [g.op('ReduceSum', [x], { keepdims: 0 }), int64([1, 1, 1, 1])]),
      'ReduceSum',
    ],
    ['places', 13, (g, x) => g.op('Unsqueeze', [g.op('ArgMax', [x], { axis: 1, keepdims: 0 }), int64([1])]), 'ArgMax'],
  ])('keeps the axes: %s', async (_, opset, build, op) => {
    expect((await fused(build, { opset, dimensions })).ops).toEqual([op])
  })

  it('makes a mean over the image a pool', async () => {
    const build: Build = (g, x) =>
      g.op('Unsqueeze', [g.op('ReduceMean', [x], { axes: [2, 3], keepdims: 0 }), int64([2, 3])])
    const { ops } = await fused(build, { only: [...only, 'global-average-pool'], dimensions })
    expect(ops).toEqual(['GlobalAveragePool'])
  })

  it.each<[string, Build]>([
    [
      'other places',
      (g, x) => g.op('Unsqueeze', [g.op('ReduceMean', [x], { axes: [2, 3], keepdims: 0 }), int64([0, 1])]),
    ],
    [
      'another number of axes',
      (g, x) => g.op('Unsqueeze', [g.op('ReduceMean', [x], { axes: [2], keepdims: 0 }), int64([2, 3])]),
    ],
    ['axes that are kept', (g, x) => g.op('Unsqueeze', [g.op('ReduceMean', [x], { axes: [2] }), int64([2])])],
    ['another function', (g, x) => g.op('Unsqueeze', [g.op('Relu', [x]), int64([2])])],
  ])('leaves %s', async (_, build) => {
    const { report } = await fused(build, { dimensions })
    expect(report.fusions).toEqual({})
  })

  it('leaves a result with other users', async () => {
    const { report, reasons } = await fused(
      (g, x) => g.op('Unsqueeze', [g.output('mean', g.op('ReduceMean', [x], { axes: [2], keepdims: 0 })), int64([2])]),
      { dimensions },
    )
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual(['"mean" is an output of its graph'])
  })
})

testDrawn(
  'reduce-keep-dims',
  shapes({ max: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      op: fc.constantFrom('ReduceMean', 'ReduceMax', 'ReduceSum', 'ReduceL2', 'ReduceLogSumExp', 'ArgMin'),
      axes: fc.uniqueArray(fc.nat({ max: shape.length - 1 }), { minLength: 1 }),
      negative: fc.boolean(),
      back: fc.constantFrom('Unsqueeze', 'Reshape'),
      opset: fc.constantFrom(11, 13, 17, 18),
    }),
  ),
  ({ shape, op, axes, negative, back, opset }) => ({
    build: (g) => {
      const x = g.input('x', 'float32', shape)
      const reduced = op === 'ArgMin' ? axes.slice(0, 1) : axes
      const named = reduced.map((axis) => (negative ? axis - shape.length : axis))
      const asInput = op !== 'ArgMin' && opset >= (op === 'ReduceSum' ? 13 : 18)
      const attributes = op === 'ArgMin' ? { axis: named[0] ?? 0 } : asInput ? {} : { axes: named }
      const y = g.op(op, asInput ? [x, int64(named)] : [x], { ...attributes, keepdims: 0 })
      const sizes = shape.map((dim, axis) => (reduced.includes(axis) ? 1 : dim))
      const view =
        back === 'Reshape'
          ? g.op('Reshape', [y, int64(sizes)])
          : opset < 13
            ? g.op('Unsqueeze', [y], { axes: named })
            : g.op('Unsqueeze', [y, int64(named)])
      g.output('y', g.op('Neg', [op === 'ArgMin' ? g.op('Cast', [view], { to: 1 }) : view]))
    },
    opset,
    fires: 1,
  }),
)
