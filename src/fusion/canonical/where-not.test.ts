import fc from 'fast-check'
import { expect, it } from 'vitest'
import { dimsWithin, shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const only = ['where-not']

const fused = (build: (g: GraphBuilder, condition: Value, a: Value, b: Value) => void) =>
  fuseGraph(
    (g) => {
      const [a, b] = [g.input('a', 'float32', [3, 4]), g.input('b', 'float32', [4])]
      build(g, g.op('Greater', [a, 0]), a, b)
    },
    { only },
  )

it('swaps what is chosen from', async () => {
  const { ops } = await fused((g, condition, a, b) => g.output('y', g.op('Where', [g.op('Not', [condition]), a, b])))
  expect(ops).toEqual(['Greater', 'Where'])
})

it('takes off one Not after the other', async () => {
  const { ops } = await fused((g, condition, a, b) =>
    g.output('y', g.op('Where', [g.op('Not', [g.op('Not', [condition])]), a, b])),
  )
  expect(ops).toEqual(['Greater', 'Where'])
})

it('chooses between constants', async () => {
  const { ops } = await fused((g, condition) => g.output('y', g.op('Where', [g.op('Not', [condition]), 0, -1e9])))
  expect(ops).toEqual(['Greater', 'Where'])
})

it('leaves the Not to its other users', async () => {
  const { ops } = await fused((g, condition, a, b) => {
    const not = g.output('not', g.op('Not', [condition]))
    g.output('y', g.op('Where', [not, a, b]))
  })
  expect(ops).toEqual(['Greater', 'Not', 'Where'])
})

testDrawn(
  'where-not',
  fc
    .tuple(shapes(), fc.nat({ max: 3 }), fc.boolean(), fc.constantFrom(9, 13, 17))
    .chain(([shape, nots, isShared, opset]) =>
      fc.record({
        dims: fc.tuple(dimsWithin(shape), dimsWithin(shape), dimsWithin(shape)),
        nots: fc.constant(nots),
        isShared: fc.constant(isShared),
        opset: fc.constant(opset),
      }),
    ),
  ({ dims: [condition, whenTrue, whenFalse], nots, isShared, opset }) => ({
    build: (g) => {
      let value = g.op('Greater', [g.input('c', 'float32', condition), 0])
      for (let index = 0; index < nots; index++) value = g.op('Not', [value])
      if (isShared) g.output('z', value)
      g.output('y', g.op('Where', [value, g.input('a', 'float32', whenTrue), g.input('b', 'float32', whenFalse)]))
    },
    opset,
    fires: nots,
  }),
)
