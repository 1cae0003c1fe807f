import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Operand, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(61)
const only = ['attention-projection-bias']
const options = { opsets: { 'com.microsoft': 1 } }
const fused = fuseFunction(only, ['n', 5, 24])
const domain = { domain: 'com.microsoft' }

const split = (g: GraphBuilder, value: Value, axis = -1): (Value | undefined)[] => [
  ...g.node('Split', [value, int64([8, 8, 8])], { axis }, { outputs: 3 }).outputs,
]
const attend = (g: GraphBuilder, parts: readonly Operand[], ...more: Operand[]): Value =>
  g.op('MultiHeadAttention', [...parts, ...more], { num_heads: 2 }, domain)
const biased = (g: GraphBuilder, x: Value, bias: Tensor = random.tensor([24])): Value => g.op('Add', [x, bias])

describe('attention-projection-bias', () => {
  it.each<[string, Formula]>([
    ['a packed projection', (g, x) => attend(g, split(g, biased(g, x)))],
    [
      'a bias on the left, and a mask',
      (g, x) =>
        attend(g, split(g, g.op('Add', [random.tensor([24]), x])), undefined, undefined, random.tensor([1, 1, 5, 5])),
    ],
    ['an axis counted from the front', (g, x) => attend(g, split(g, biased(g, x), 2))],
  ])('absorbs the bias of %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20))
      expect((await fused(formula, { ...options, ...variant })).ops).toEqual(['Split', 'MultiHeadAttention'])
  })

  it('computes the same for every size', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(size, size, size, async (batch, sequence, heads) => {
        const width = heads * 4
        const { ops } = await fuseFunction(only, [batch, sequence, 3 * width])((g, x) => {
          const parts = g.node(
            'Split',
            [biased(g, x, random.tensor([3 * width])), int64([width, width, width])],
            { axis: -1 },
            { outputs: 3 },
          )
          return g.op('MultiHeadAttention', parts.outputs, { num_heads: heads }, domain)
        }, options)
        expect(ops).toEqual(['Split', 'MultiHeadAttention'])
      }),
      { numRuns: 20 },
    )
  })

  it.each<[string, RegExp | undefined, Formula]>([
    [
      'a split along another axis',
      /split along another axis/,
      (g, x) => {
        const rows = biased(g, g.op('Reshape', [x, int64([-1, 15, 8])]), random.tensor([8]))
        const { outputs } = g.node('Split', [rows, int64([5, 5, 5])], { axis: 1 }, { outputs: 3 })
        return attend(g, [...outputs])
      },
    ],
    [
      'parts in another order',
      undefined,
      (g, x) => {
        const [q, k, v] = split(g, biased(g, x))
        return attend(g, [k, q, v])
      },
    ],
    ['an attention with a bias', undefined, (g, x) => attend(g, split(g, biased(g, x)), random.tensor([24]))],
    [
      'a part with another user',
      /the split has other users/,
      (g, x) => {
        const [q, k, v] = split(g, biased(g, x))
        return g.op('Add', [attend(g, [q, k, v]), q])
      },
    ],
    [
      'a sum with another user',
      /has 2 users/,
      (g, x) => {
        const sum = biased(g, x)
        return g.op('Concat', [attend(g, split(g, sum)), sum], { axis: 2 })
      },
    ],
    [
      'a bias for every position',
      /not one number a feature/,
      (g, x) => attend(g, split(g, biased(g, x, random.tensor([5, 24])))),
    ],
    [
      'a bias that is one number',
      /not one number a feature/,
      (g, x) => attend(g, split(g, biased(g, x, random.tensor([1])))),
    ],
  ])('leaves %s alone', async (_name, reason, formula) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual(reason === undefined ? [] : [expect.stringMatching(reason)])
  })
})
