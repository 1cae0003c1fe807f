import { expect, it } from 'vitest'
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
