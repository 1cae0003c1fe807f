import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type BuildOptions, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import type { Dim } from '../context.ts'
import { reshapeOperand } from './row-major-view.ts'

const only = ['reshape-shape', 'constant-view']
const dimensions = { batch: 2, sequence: 5 }

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions & { shape?: (number | string)[] } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', options.shape ?? ['batch', 'sequence', 8]))), {
    only,
    dimensions,
    ...options,
  })

const size = (g: GraphBuilder, x: Value, axis: number): Value => g.op('Gather', [g.op('Shape', [x]), int64([axis])])

describe('reshape-shape writes out', () => {
  it('a shape gathered from an open batch (PyTorch)', async () => {
    const { ops, model } = await fused((g, x) =>
      g.op('Reshape', [x, g.op('Concat', [size(g, x, 0), size(g, x, 1), int64([2]), int64([4])], { axis: 0 })]),
    )
    expect(ops).toEqual(['Reshape'])
    expect([...([...model.graph.nodes][0]?.inputs[1]?.constant?.toNumbers() ?? [])]).toEqual([0, 0, 2, 4])
  })

  it('scalars that are unsqueezed, and a product of sizes', async () => {
    const { ops, model } = await fused(
      (g, x) => {
        const scalar = (axis: number): Value => g.op('Gather', [g.op('Shape', [x]), int64(axis)])
        const rows = g.op('Unsqueeze', [g.op('Mul', [scalar(0), scalar(1)])], { axes: [0] })
        return g.op('Reshape', [x, g.op('Concat', [rows, int64([8])], { axis: 0 })])
      },
      { opset: 11 },
    )
    expect(ops).toEqual(['Reshape'])
    expect([...([...model.graph.nodes][0]?.inputs[1]?.constant?.toNumbers() ?? [])]).toEqual([-1, 8])
  })

  it('a slice of a shape, and one that infers itself (TensorFlow)', async () => {
    const { ops } = await fused((g, x) => {
      const batch = g.op('Slice', [g.op('Shape', [x]), int64([0]), int64([1])])
      return g.op('Reshape', [x, g.op('Concat', [batch, int64([-1])], { axis: 0 })])
    })
    expect(ops).toEqual(['Reshape'])
  })

  it('a shape that is known entirely', async () => {
    const { ops } = await fused(
      (g, x) => g.op('Reshape', [x, g.op('Concat', [size(g, x, 1), int64([-1])], { axis: 0 })]),
      { shape: [2, 3, 4] },
    )
    expect(ops).toEqual(['Reshape'])
  })
})

describe('reshape-shape leaves alone', () => {
  it('two sizes that trade places', async () => {
    const { ops, reasons } = await fused((g, x) =>
      g.op('Reshape', [x, g.op('Concat', [size(g, x, 1), size(g, x, 0), int64([8])], { axis: 0 })]),
    )
    expect(ops.at(-1)).toBe('Reshape')
    expect(ops.length).toBeGreaterThan(1)
    expect(reasons).toEqual(['a computed size may be 0, which copies another'])
  })

  it('a size to be inferred beside one that may be 0', async () => {
    const build = (g: GraphBuilder, x: Value): Value => {
      const pixels = g.op('Mul', [size(g, x, 1), int64([8])])
      return g.op('Reshape', [x, g.op('Concat', [size(g, x, 0), pixels], { axis: 0 })])
    }
    const { ops, reasons } = await fused(build)
    expect(ops.length).toBeGreaterThan(1)
    expect(reasons).toEqual([expect.stringMatching(/beside others that may be 0$/)])
    // Where another Reshape infers a size beside it, no run has an empty batch.
    const { ops: inferred } = await fused((g, x) => g.op('Add', [build(g, x), g.op('Reshape', [x, int64([0, -1])])]))
    expect(inferred).toEqual(['Reshape', 'Reshape', 'Add'])
  })

  it('a computed size that copies another one where it is 0', async () => {
    const { ops, reasons } = await fused(
      (g, x) => g.op('Reshape', [x, g.op('Concat', [size(g, x, 1), int64([-1])], { axis: 0 })]),
      { shape: [3, 'sequence'] },
    )
    expect(ops.length).toBeGreaterThan(1)
    expect(reasons).toEqual(['a computed size may be 0, which copies another'])
  })

  it('a shape that a caller gives', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', g.op('Reshape', [g.input('x', 'float32', [6]), g.input('shape', 'int64', [2])])),
      { only, feeds: { x: Tensor.fromNumbers('float32', [6], [1, 2, 3, 4, 5, 6]), shape: int64([2, 3]) } },
    )
    expect(ops).toEqual(['Reshape'])
  })
})

it('writes sizes as they are, 0 for those that stay, −1 for one beside sizes that are positive', () => {
  const operand = (
    from: readonly Dim[] | undefined,
    to: readonly Dim[] | undefined,
    positive: readonly string[] = [],
  ) =>
    reshapeOperand(from, to, {
      isPositive: (dim) => (typeof dim === 'number' ? dim > 0 : positive.includes(String(dim))),
    })
  expect(operand(['n', 4], ['n', 2, 2])).toEqual([0, 2, 2])
  expect(operand(['n', 4], [2, 'n', 2])).toEqual([2, -1, 2])
  expect(operand(['n', 'm'], ['m', 'n'])).toBeUndefined()
  expect(operand(undefined, ['n', 3])).toEqual([-1, 3])
  expect(operand([0, 3], [0, 9])).toEqual([0, 9])
  expect(operand([3, 0], [0, 9])).toEqual([-1, 9])
  expect(operand([0, 'n'], [0, 3, 'n'])).toBeUndefined()
  expect(operand(['n', 'm'], ['n', 3, 'm'])).toBeUndefined()
  expect(operand(['n', 'm'], ['n', 3, 'm'], ['n'])).toEqual([0, 3, -1])
  expect(operand(['n'], undefined)).toBeUndefined()
})

testDrawn(
  'reshape-shape',
  fc.record({
    shape: fc.array(fc.constantFrom<(number | string)[]>('batch', 'sequence', 2, 3), { minLength: 2, maxLength: 4 }),
    order: fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 4, maxLength: 4 }),
    merged: fc.boolean(),
    opset: fc.constantFrom(13, 17),
  }),
  ({ shape, order, merged, opset }) => {
    const axes = order.filter((axis) => axis < shape.length)
    const taken = merged ? axes.slice(0, -1) : axes
    const misplaced = taken.filter((axis, place) => typeof shape[axis] === 'string' && shape[place] !== shape[axis])
    const isOpen = shape.some((dim) => typeof dim === 'string')
    return {
      build: (g) => {
        const x = g.input('x', 'float32', shape)
        const sizes = taken.map((axis) => size(g, x, axis))
        g.output('y', g.op('Reshape', [x, g.op('Concat', [...sizes, ...(merged ? [int64([-1])] : [])], { axis: 0 })]))
      },
      opset,
      dimensions,
      // One size at most may be left to be worked out, and beside others that may be 0 none.
      ...(misplaced.length + Number(merged && isOpen) === 0 ? { fires: 1 } : {}),
    }
  },
)
