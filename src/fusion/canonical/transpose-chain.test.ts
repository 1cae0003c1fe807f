import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'

const only = ['transpose-chain']

const chain = (perms: readonly (readonly number[] | undefined)[], shape: readonly number[] = [2, 3, 4]) =>
  fuseGraph(
    (g) => {
      let value = g.op('Neg', [g.input('x', 'float32', shape)])
      for (const perm of perms) value = g.op('Transpose', [value], perm === undefined ? {} : { perm })
      g.output('y', value)
    },
    { only },
  )

it('cancels what undoes itself', async () => {
  expect(
    (
      await chain([
        [0, 2, 1],
        [0, 2, 1],
      ])
    ).ops,
  ).toEqual(['Neg'])
  expect(
    (
      await chain([
        [1, 2, 0],
        [2, 0, 1],
      ])
    ).ops,
  ).toEqual(['Neg'])
  expect((await chain([undefined, undefined])).ops).toEqual(['Neg'])
  expect((await chain([undefined, [2, 1, 0]])).ops).toEqual(['Neg'])
})

it('composes what does not', async () => {
  expect(
    (
      await chain([
        [1, 2, 0],
        [1, 2, 0],
      ])
    ).ops,
  ).toEqual(['Neg', 'Transpose'])
  expect((await chain([undefined, [1, 2, 0]])).ops).toEqual(['Neg', 'Transpose'])
  expect((await chain([[1, 2, 0], undefined])).ops).toEqual(['Neg', 'Transpose'])
})

it('keeps the first for its other users, and cancels the second all the same', async () => {
  const build = (perm: number[]) =>
    fuseGraph(
      (g) => {
        const first = g.op('Transpose', [g.op('Neg', [g.input('x', 'float32', [2, 3, 4])])], { perm: [1, 2, 0] })
        g.output('between', first)
        g.output('y', g.op('Exp', [g.op('Transpose', [first], { perm })]))
      },
      { only },
    )
  expect((await build([2, 0, 1])).ops).toEqual(['Neg', 'Transpose', 'Exp'])
  const other = await build([1, 2, 0])
  expect(other.ops).toEqual(['Neg', 'Transpose', 'Transpose', 'Exp'])
  expect(other.reasons).toEqual(['"between" is an output of its graph'])
})

it('computes the same for random permutations', async () => {
  const perm = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(perm, { nil: undefined }), { minLength: 1, maxLength: 4 }), async (perms) => {
      const { ops } = await chain(perms, [2, 3, 4, 5])
      expect(ops.length).toBeLessThanOrEqual(2)
    }),
    { numRuns: 30 },
  )
})
