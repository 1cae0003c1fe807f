import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Operand, type Value } from '../../graph/index.ts'

const random = new Random(43)
const only = ['gemm-before-skip-normalization', 'skip-normalization-bias']
const options = { opsets: { 'com.microsoft': 1 } }
const fused = fuseFunction(only, [2, 3, 4])
const domain = { domain: 'com.microsoft' }

interface Spelling {
  attributes?: Record<string, number>
  bias?: Operand | 'none'
  shape?: number[]
}

/** [2, 3, 4] flattened to rows, projected to 6 features, and back. */
const projected = (g: GraphBuilder, x: Value, { attributes = {}, bias, shape = [2, 3, 6] }: Spelling = {}): Value => {
  const rows = g.op('Reshape', [x, int64([-1, 4])])
  const weight = random.tensor(attributes.transB === 1 ? [6, 4] : [4, 6])
  const inputs = bias === 'none' ? [rows, weight] : [rows, weight, bias ?? random.tensor([6])]
  return g.op('Reshape', [g.op('Gemm', inputs, attributes), int64(shape)])
}
const normalised = (g: GraphBuilder, x: Value, bias?: Operand, dims = [2, 3, 6]): Value =>
  g.op('SkipLayerNormalization', [x, random.tensor(dims), random.tensor([6]), random.tensor([6]), bias], {}, domain)

describe('gemm-before-skip-normalization', () => {
  it.each<[string, Formula]>([
    ['a plain weight', (g, x) => normalised(g, projected(g, x))],
    ['a transposed one', (g, x) => normalised(g, projected(g, x, { attributes: { transB: 1 } }))],
    ['no bias', (g, x) => normalised(g, projected(g, x, { bias: 'none' }))],
    [
      'no bias, before a normalisation with one',
      (g, x) => normalised(g, projected(g, x, { bias: 'none' }), random.tensor([6])),
    ],
    ['a bias of [1, N]', (g, x) => normalised(g, projected(g, x, { bias: random.tensor([1, 6]) }))],
    [
      'a projection that is the skip',
      (g, x) =>
        g.op('SkipLayerNormalization', [random.tensor([2, 3, 6]), projected(g, x), random.tensor([6])], {}, domain),
    ],
    [
      'a root mean square',
      (g, x) =>
        g.op(
          'SkipSimplifiedLayerNormalization',
          [projected(g, x), random.tensor([2, 3, 6]), random.tensor([6])],
          {},
          domain,
        ),
    ],
  ])('leaves a product alone of %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops } = await fused(formula, {
        ...options,
        ...variant,
        tolerance: variant.type === 'float16' ? 4e-3 : 1e-4,
      })
      expect(ops).toEqual(['MatMul', expect.stringMatching(/^Skip/)])
    }
  })

  it('computes the same for every size', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(size, size, async (batch, sequence) => {
        const { ops } = await fuseFunction(only, [batch, sequence, 4])(
          (g, x) => normalised(g, projected(g, x, { shape: [batch, sequence, 6] }), undefined, [batch, sequence, 6]),
          { ...options, tolerance: 1e-4 },
        )
        expect(ops).toEqual(['MatMul', 'SkipLayerNormalization'])
      }),
      { numRuns: 15 },
    )
  })

  it.each<[string, RegExp | undefined, Formula]>([
    ['what is not normalised', undefined, (g, x) => g.op('Relu', [projected(g, x)])],
    ['a bias where there is one already', /has a bias/, (g, x) => normalised(g, projected(g, x), random.tensor([6]))],
    ['a product with another factor', /scales/, (g, x) => normalised(g, projected(g, x, { attributes: { alpha: 2 } }))],
    [
      'a sum with another user',
      undefined,
      (g, x) => {
        const y = projected(g, x)
        return g.op('Mul', [normalised(g, y), y])
      },
    ],
    [
      'a product with another user',
      undefined,
      (g, x) => {
        const product = g.op('Gemm', [g.op('Reshape', [x, int64([-1, 4])]), random.tensor([4, 6])])
        const y = normalised(g, g.op('Reshape', [product, int64([2, 3, 6])]))
        return g.op('Mul', [y, g.op('ReduceMax', [product], { keepdims: 0 })])
      },
    ],
    [
      'rows that are other rows than before',
      undefined,
      (g, x) => normalised(g, projected(g, x, { shape: [3, 2, 6] }), undefined, [3, 2, 6]),
    ],
    [
      'a bias that is one number for every row',
      /one number a column/,
      (g, x) => normalised(g, projected(g, x, { bias: random.tensor([6, 1]) })),
    ],
    [
      'a bias for every row',
      /one number a column/,
      (g, x) => normalised(g, projected(g, x, { bias: random.tensor([6, 6]) })),
    ],
  ])('leaves alone %s', async (_name, reason, formula) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).not.toHaveProperty('gemm-before-skip-normalization')
    if (reason !== undefined) expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
