import fc from 'fast-check'
import { expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { int64, type Value } from '../../graph/index.ts'

const only = ['split-concat']

const fused = (axes: [split: number, concat: number], pick: (parts: Value[]) => Value[], opset = 17) =>
  fuseGraph(
    (g) => {
      const x = g.op('Neg', [g.input('x', 'float32', [4, 4])])
      const sizes = opset < 13 ? { split: [1, 3] } : {}
      const operands = opset < 13 ? [x] : [x, int64([1, 3])]
      const { outputs } = g.node('Split', operands, { axis: axes[0], ...sizes }, { outputs: 2 })
      const parts = outputs.filter((part) => part !== undefined)
      g.output('y', g.op('Concat', pick(parts), { axis: axes[1] }))
    },
    { only, opset },
  )

it('is the whole again, in every spelling of the axis', async () => {
  expect((await fused([1, 1], (parts) => parts)).ops).toEqual(['Neg'])
  expect((await fused([-1, 1], (parts) => parts)).ops).toEqual(['Neg'])
  expect((await fused([0, -2], (parts) => parts, 11)).ops).toEqual(['Neg'])
})

it('is something else in another order, along another axis, with a part missing or twice', async () => {
  expect((await fused([1, 1], (parts) => parts.toReversed())).ops).toEqual(['Neg', 'Split', 'Concat'])
  expect((await fused([1, 1], ([a]) => (a ? [a] : []))).ops).toEqual(['Neg', 'Split', 'Concat'])
  expect((await fused([1, 1], (parts) => [...parts, ...parts])).ops).toEqual(['Neg', 'Split', 'Concat'])
})

it('needs the same axis', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const { outputs } = g.node('Split', [g.op('Neg', [g.input('x', 'float32', [4, 4])])], { axis: 1 }, { outputs: 2 })
      g.output('y', g.op('Concat', outputs, { axis: 0 }))
    },
    { only, opset: 13 },
  )
  expect(ops).toEqual(['Neg', 'Split', 'Concat'])
})

testDrawn(
  'split-concat',
  fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 4 }),
    axes: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
    fromTheEnd: fc.tuple(fc.boolean(), fc.boolean()),
    swapped: fc.boolean(),
    opset: fc.constantFrom(11, 13, 17),
  }),
  ({ sizes, axes: [from, to], fromTheEnd, swapped, opset }) => {
    const equal = sizes.every((size) => size === sizes[0])
    const along = equal ? to : from
    const total = sizes.reduce((a, b) => a + b, 0)
    const axisOf = (axis: number, negative: boolean | undefined): number => (negative ? axis - 3 : axis)
    return {
      build: (g) => {
        const x = g.op('Neg', [g.input('x', 'float32', [2, 2, 2].with(from, total))])
        const operands = opset < 13 ? [x] : [x, int64(sizes)]
        const attributes = { axis: axisOf(from, fromTheEnd[0]), ...(opset < 13 ? { split: sizes } : {}) }
        const { outputs } = g.node('Split', operands, attributes, { outputs: sizes.length })
        g.output('y', g.op('Concat', swapped ? outputs.toReversed() : outputs, { axis: axisOf(along, fromTheEnd[1]) }))
      },
      opset,
      fires: !swapped && along === from,
    }
  },
)
