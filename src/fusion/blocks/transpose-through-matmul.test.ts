import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const random = new Random(51)
const only = ['transpose-through-matmul']
const fused = fuseFunction(only, ['n', 3, 4])
const swapped = (g: GraphBuilder, x: Value): Value => g.op('Transpose', [x], { perm: [1, 0, 2] })
const viewed = (g: GraphBuilder, value: Value): Value => g.op('Reshape', [value, int64([3, -1, 2, 3])])

describe('transpose-through-matmul', () => {
  it.each<[string, Formula, string[]]>([
    [
      'a product',
      (g, x) => viewed(g, g.op('MatMul', [swapped(g, x), random.tensor([4, 6])])),
      ['MatMul', 'Transpose', 'Reshape'],
    ],
    [
      'a product and a bias',
      (g, x) => viewed(g, g.op('Add', [g.op('MatMul', [swapped(g, x), random.tensor([4, 6])]), random.tensor([6])])),
      ['MatMul', 'Add', 'Transpose', 'Reshape'],
    ],
    [
      'a bias on the left',
      (g, x) => viewed(g, g.op('Add', [random.tensor([6]), g.op('MatMul', [swapped(g, x), random.tensor([4, 6])])])),
      ['MatMul', 'Add', 'Transpose', 'Reshape'],
    ],
  ])('moves a Transpose past %s', async (_name, formula, ops) => {
    for (const variant of variants(9, 13, 17, 20)) expect((await fused(formula, variant)).ops).toEqual(ops)
  })

  it('computes the same for every rank and permutation', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), async (dims, turn) => {
        const leading = dims.slice(0, -1).map((_, axis, { length }) => (axis + turn) % length)
        const { ops } = await fuseFunction(
          only,
          dims,
        )((g, x) => {
          const moved = g.op('Transpose', [x], { perm: [...leading, dims.length - 1] })
          return g.op('Reshape', [g.op('MatMul', [moved, random.tensor([dims.at(-1) ?? 1, 3])]), int64([-1])])
        })
        expect(ops).toEqual(['MatMul', 'Transpose', 'Reshape'])
      }),
      { numRuns: 20 },
    )
  })

  it.each<[string, RegExp, Formula]>([
    [
      'features that move',
      /the features are not last/,
      (g, x) =>
        viewed(
          g,
          g.op('MatMul', [
            g.op('Transpose', [g.op('Reshape', [x, int64([-1, 4, 3])])], { perm: [2, 0, 1] }),
            random.tensor([4, 6]),
          ]),
        ),
    ],
    [
      'a weight with batches',
      /its weight has batches/,
      (g, x) => viewed(g, g.op('MatMul', [swapped(g, x), random.tensor([3, 4, 6])])),
    ],
    [
      'a bias for every position',
      /not one number a feature/,
      (g, x) =>
        viewed(g, g.op('Add', [g.op('MatMul', [swapped(g, x), random.tensor([4, 6])]), random.tensor([3, 1, 6])])),
    ],
    [
      'a product that no view follows',
      /no view follows/,
      (g, x) => g.op('Relu', [g.op('MatMul', [swapped(g, x), random.tensor([4, 6])])]),
    ],
    [
      'a Transpose with another user',
      /has 2 users/,
      (g, x) => {
        const moved = swapped(g, x)
        return g.op('Add', [
          g.op('Reshape', [g.op('MatMul', [moved, random.tensor([4, 4])]), int64([-1])]),
          g.op('Reshape', [moved, int64([-1])]),
        ])
      },
    ],
  ])('leaves %s alone', async (_name, reason, formula) => {
    const { report, reasons } = await fused(formula)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
