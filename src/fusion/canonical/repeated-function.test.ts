import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'

const only = ['repeated-function']

it.each(['Relu', 'Abs', 'Ceil', 'Floor', 'Round', 'Sign'])('%s twice is once', async (op) => {
  const { ops } = await fuseGraph(
    (g) => g.output('y', g.op(op, [g.op(op, [g.op(op, [g.input('x', 'float32', [9])])])])),
    { only },
  )
  expect(ops).toEqual([op])
})

it('Neg and Not undo themselves', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const x = g.op('Exp', [g.input('x', 'float32', [9])])
      g.output('y', g.op('Neg', [g.op('Neg', [x])]))
      g.output('z', g.op('Not', [g.op('Not', [g.op('Greater', [x, 1])])]))
    },
    { only },
  )
  expect(ops).toEqual(['Exp', 'Greater'])
})

it('keeps the first for its other users', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const once = g.op('Neg', [g.op('Exp', [g.input('x', 'float32', [4])])])
      g.output('once', once)
      g.output('twice', g.op('Neg', [once]))
    },
    { only },
  )
  expect(ops).toEqual(['Exp', 'Neg'])
})

it('keeps one function of another', async () => {
  const { ops } = await fuseGraph((g) => g.output('y', g.op('Abs', [g.op('Neg', [g.input('x', 'float32', [4])])])), {
    only,
  })
  expect(ops).toEqual(['Neg', 'Abs'])
})

testDrawn(
  'repeated-function',
  fc.record({
    ops: fc.array(fc.constantFrom('Relu', 'Abs', 'Ceil', 'Floor', 'Round', 'Sign', 'Neg', 'Exp'), {
      minLength: 1,
      maxLength: 6,
    }),
    nots: fc.nat({ max: 4 }),
    shape: shapes({ min: 0 }),
    opset: fc.constantFrom(13, 17),
  }),
  ({ ops, nots, shape, opset }) => ({
    build: (g) => {
      const y = ops.reduce((value, op) => g.op(op, [value]), g.op('Sin', [g.input('x', 'float32', shape)]))
      let truth = g.op('Greater', [y, 0])
      for (let index = 0; index < nots; index++) truth = g.op('Not', [truth])
      g.output('y', y)
      g.output('truth', truth)
    },
    opset,
    fires: countRepeated([...ops]) + Math.floor(nots / 2),
  }),
)

/** How often a function stands behind itself, once what has gone has gone. */
function countRepeated(ops: string[]): number {
  const place = ops.findIndex((op, index) => op !== 'Exp' && op === ops[index + 1])
  if (place === -1) return 0
  ops.splice(place, ops[place] === 'Neg' ? 2 : 1)
  return 1 + countRepeated(ops)
}
