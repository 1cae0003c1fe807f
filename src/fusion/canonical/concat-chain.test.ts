import fc from 'fast-check'
import { expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const only = ['concat-chain']

const fused = (build: (g: GraphBuilder, a: Value, b: Value, c: Value) => Value) =>
  fuseGraph(
    (g) => {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => g.input(name, 'float32', [2, 3])) as [Value, Value, Value]
      g.output('y', build(g, a, b, c))
    },
    { only },
  )

const concat = (g: GraphBuilder, axis: number, ...values: Value[]): Value => g.op('Concat', values, { axis })

it('flattens a Concat within a Concat, wherever it stands', async () => {
  expect((await fused((g, a, b, c) => concat(g, 1, a, concat(g, 1, b, c)))).ops).toEqual(['Concat'])
  expect((await fused((g, a, b, c) => concat(g, 1, concat(g, 1, a, b), c, a))).ops).toEqual(['Concat'])
  expect((await fused((g, a, b, c) => concat(g, 0, concat(g, 0, concat(g, 0, a, b), c), a))).ops).toEqual(['Concat'])
})

it('sees that a negative axis is the same', async () => {
  expect((await fused((g, a, b, c) => concat(g, -1, a, concat(g, 1, b, c)))).ops).toEqual(['Concat'])
})

it('takes the same Concat twice', async () => {
  const { ops } = await fused((g, a, b) => {
    const both = concat(g, 1, a, b)
    return concat(g, 1, both, both)
  })
  expect(ops).toEqual(['Concat'])
})

it('keeps another axis, and a Concat with other users', async () => {
  const { ops } = await fused((g, a, b, c) => concat(g, 0, concat(g, 1, a, b), concat(g, 1, b, c)))
  expect(ops).toEqual(['Concat', 'Concat', 'Concat'])
  const shared = await fused((g, a, b, c) => g.op('Relu', [concat(g, 1, g.output('both', concat(g, 1, a, b)), c)]))
  expect(shared.ops).toEqual(['Concat', 'Concat', 'Relu'])
})

testDrawn(
  'concat-chain',
  fc.record({
    steps: fc.array(
      fc.record({
        axis: fc.nat({ max: 2 }),
        size: fc.integer({ min: 1, max: 2 }),
        fromTheEnd: fc.boolean(),
        onLeft: fc.boolean(),
        isOutput: fc.boolean(),
      }),
      { minLength: 2, maxLength: 4 },
    ),
    opset: fc.constantFrom(11, 13, 17),
  }),
  ({ steps, opset }) => ({
    build: (g) => {
      let dims = [1, 2, 1]
      let value = g.input('x', 'float32', dims)
      for (const [index, { axis, size, fromTheEnd, onLeft, isOutput }] of steps.entries()) {
        const other = g.input(`x${index}`, 'float32', dims.with(axis, size))
        const operands = onLeft ? [other, value] : [value, other]
        value = g.op('Concat', operands, { axis: fromTheEnd ? axis - 3 : axis })
        dims = dims.with(axis, (dims[axis] ?? 0) + size)
        if (isOutput || index === steps.length - 1) g.output(`y${index}`, value)
      }
    },
    opset,
    fires: steps.filter(({ axis, isOutput }, index) => !isOutput && axis === steps[index + 1]?.axis).length,
  }),
)
