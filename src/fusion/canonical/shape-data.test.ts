import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { elementTypes, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const only = ['shape-data']

const fused = (shape: readonly (number | string)[], build: (g: GraphBuilder, x: Value) => Value, opset = 17) =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', shape))), { only, opset, dimensions: { n: 3 } })

describe('shape-data', () => {
  it('computes what is made of sizes', async () => {
    const { ops } = await fused([2, 3, 4], (g, x) => {
      const shape = g.op('Shape', [x])
      const half = g.op('Div', [g.op('Gather', [shape, int64([2])]), int64([2])])
      const rows = g.op('Mul', [g.op('Slice', [shape, int64([0]), int64([1])]), half])
      return g.op('Reshape', [x, g.op('Concat', [rows, int64([-1])], { axis: 0 })])
    })
    expect(ops).toEqual(['Reshape'])
  })

  it('computes scales, as opset 9 has them', async () => {
    const { ops } = await fused(
      [1, 2, 4, 4],
      (g, x) => {
        const size = g.op('Cast', [g.op('Shape', [x])], { to: elementTypes.float32.code })
        const scales = g.op('Div', [g.op('Mul', [size, g.constant([1, 1, 2, 2])]), size])
        return g.op('Upsample', [x, scales])
      },
      9,
    )
    expect(ops).toEqual(['Upsample'])
  })

  it('computes what is known of an open shape', async () => {
    const { ops } = await fused(['n', 3, 4], (g, x) => {
      const tail = g.op('Slice', [g.op('Shape', [x]), int64([1]), int64([3])])
      return g.op('Expand', [
        g.op('ReduceMean', [x], { axes: [1, 2] }),
        g.op('Concat', [int64([1]), tail], { axis: 0 }),
      ])
    })
    expect(ops).toEqual(['ReduceMean', 'Expand'])
  })

  it('computes the parts of a Split, if all that are used are known', async () => {
    const split = (shape: (number | string)[], used: number) =>
      fused(shape, (g, x) => {
        const { outputs } = g.node('Split', [g.op('Shape', [x])], {}, { outputs: 2 })
        const sizes = outputs.filter((output) => output !== undefined).slice(-used)
        return g.op('Expand', [g.op('ReduceMax', [x], { keepdims: 0 }), g.op('Concat', sizes, { axis: 0 })])
      })
    expect((await split([2, 3], 2)).ops).toEqual(['ReduceMax', 'Expand'])
    expect((await split(['n', 3], 1)).ops).toEqual(['ReduceMax', 'Expand'])
    expect((await split(['n', 3], 2)).ops).toEqual(['Shape', 'Split', 'ReduceMax', 'Concat', 'Expand'])
  })

  it('keeps the types of booleans and int32', async () => {
    const { ops, model } = await fused([2, 3], (g, x) => {
      const count = g.op('Cast', [g.op('Size', [x])], { to: elementTypes.int32.code })
      const same = g.op('Equal', [count, g.op('Cast', [g.constant(6)], { to: elementTypes.int32.code })])
      return g.op('Where', [same, x, 0])
    })
    expect(ops).toEqual(['Where'])
    expect(findNode(model, 'Where').inputs[0]?.elementType).toBe('bool')
  })
})

describe('shape-data leaves alone', () => {
  it('what depends on an open dimension', async () => {
    const { ops } = await fused(['n', 3], (g, x) => g.op('Expand', [g.constant(1), g.op('Shape', [x])]))
    expect(ops).toEqual(['Shape', 'Expand'])
  })

  it('a shape that is an output', async () => {
    const { ops, reasons } = await fused([2, 3], (g, x) => g.op('Shape', [x]))
    expect(ops).toEqual(['Shape'])
    expect(reasons).toEqual([])
  })

  it('large tensors, so that the file does not grow', async () => {
    const { ops } = await fused([100, 100], (g, x) =>
      g.op('Add', [x, g.op('Expand', [g.constant(1), g.op('Shape', [x])])]),
    )
    expect(ops).toEqual(['Expand', 'Add'])
  })

  it('the largest int64, which is no JavaScript number', async () => {
    const largest = Tensor.fromBytes('int64', [1], new Uint8Array(BigInt64Array.of(2n ** 63n - 1n).buffer))
    const { ops } = await fused([4, 3], (g, x) => {
      const end = g.op('Concat', [largest], { axis: 0 })
      return g.op('Slice', [x, int64([1]), end])
    })
    expect(ops).toEqual(['Concat', 'Slice'])
  })
})

testDrawn(
  'shape-data',
  fc.record({
    sizes: fc.array(fc.constantFrom<(number | string)[]>(2, 3, 4, 'n'), { minLength: 2, maxLength: 4 }),
    steps: fc.array(
      fc.record({
        op: fc.constantFrom('Add', 'Mul', 'Sub', 'Div', 'Max', 'Concat'),
        axis: fc.nat(),
        onLeft: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
    first: fc.nat(),
    opset: fc.constantFrom(13, 17, 19),
  }),
  ({ sizes, steps, first, opset }) => ({
    build: (g) => {
      const x = g.input('x', 'float32', sizes)
      const shape = g.op('Shape', [x])
      const size = (axis: number): Value => g.op('Gather', [shape, int64([axis % sizes.length])])
      const numbers = steps.reduce((value, { op, axis, onLeft }) => {
        const operands = onLeft ? [size(axis), value] : [value, size(axis)]
        return op === 'Concat' ? g.op(op, operands, { axis: 0 }) : g.op(op, operands)
      }, size(first))
      const total = g.op('ReduceSum', [g.op('Cast', [numbers], { to: elementTypes.float32.code })], { keepdims: 0 })
      g.output('y', g.op('Mul', [x, total]))
    },
    opset,
    dimensions: { n: 5 },
    ...([first, ...steps.map(({ axis }) => axis)].some((axis) => sizes[axis % sizes.length] === 'n')
      ? {}
      : { fires: true }),
  }),
)
