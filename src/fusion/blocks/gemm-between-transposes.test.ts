import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Operand, type Value } from '../../graph/index.ts'

const random = new Random(41)
const only = ['gemm-between-transposes']
const fused = fuseFunction(only, ['n', 3, 4])

/** [B, S, E] to sequence first, flattened, projected, and back. */
function projected(
  g: GraphBuilder,
  x: Value,
  attributes: Record<string, number> = { transB: 1 },
  bias: Operand | 'none' = random.tensor([6]),
): Value {
  const rows = g.op('Reshape', [g.op('Transpose', [x], { perm: [1, 0, 2] }), int64([-1, 4])])
  const weight = random.tensor(attributes.transB === 1 ? [6, 4] : [4, 6])
  const inputs = bias === 'none' ? [rows, weight] : [rows, weight, bias]
  const product = g.op('Gemm', inputs, attributes)
  return g.op('Transpose', [g.op('Reshape', [product, int64([3, -1, 6])])], { perm: [1, 0, 2] })
}

describe('gemm-between-transposes', () => {
  it.each<[string, Formula, string[]]>([
    ['nn.MultiheadAttention: a transposed weight', (g, x) => projected(g, x), ['MatMul', 'Add']],
    ['a plain weight', (g, x) => projected(g, x, {}), ['MatMul', 'Add']],
    ['no bias', (g, x) => projected(g, x, { transB: 1 }, 'none'), ['MatMul']],
    ['a bias of [1, N]', (g, x) => projected(g, x, {}, random.tensor([1, 6])), ['MatMul', 'Add']],
  ])('recognises %s', async (_name, formula, ops) => {
    for (const variant of variants(11, 13, 17, 20)) expect((await fused(formula, variant)).ops).toEqual(ops)
  })

  it('computes the same for every size', async () => {
    const size = fc.integer({ min: 1, max: 5 })
    await fc.assert(
      fc.asyncProperty(size, size, async (batch, sequence) => {
        fc.pre(sequence > 1 && batch > 1)
        const { ops } = await fuseFunction(only, [batch, sequence, 4])((g, x) => {
          const rows = g.op('Reshape', [g.op('Transpose', [x], { perm: [1, 0, 2] }), int64([-1, 4])])
          const product = g.op('Gemm', [rows, random.tensor([4, 6]), random.tensor([6])])
          return g.op('Transpose', [g.op('Reshape', [product, int64([sequence, batch, 6])])], { perm: [1, 0, 2] })
        })
        expect(ops).toEqual(['MatMul', 'Add'])
      }),
      { numRuns: 20 },
    )
  })

  it.each<[string, RegExp | undefined, Formula, Options]>([
    [
      'a Gemm that only flattens',
      undefined,
      (g, x) =>
        g.op('Reshape', [
          g.op('Gemm', [g.op('Reshape', [x, int64([-1, 4])]), random.tensor([4, 6])]),
          int64([-1, 3, 6]),
        ]),
      {},
    ],
    ['a scaled product', /it transposes or scales its input/, (g, x) => projected(g, x, { alpha: 2 }), {}],
    ['a scaled bias', /it transposes or scales its input/, (g, x) => projected(g, x, { beta: 0.5 }), {}],
    [
      'a bias for every row, as many as there are columns',
      /not one number a column/,
      (g, x) => {
        const twice = g.op('Expand', [g.op('ReduceMax', [x], { axes: [0] }), int64([2, 3, 4])])
        return projected(g, twice, {}, random.tensor([6, 1]))
      },
      {},
    ],
    ['a bias that is one number', /not one number a column/, (g, x) => projected(g, x, {}, random.tensor([1])), {}],
    [
      'rows of more open sizes than one Reshape writes',
      /a shape is not known/,
      (g, x) => {
        const open = g.input('open', 'float32', ['a', 'b', 'c', 4])
        const turned = g.op('Transpose', [open], { perm: [1, 0, 2, 3] })
        const product = g.op('Gemm', [g.op('Reshape', [turned, int64([-1, 4])]), random.tensor([4, 6])])
        const sizes = g.op('Slice', [g.op('Shape', [turned]), int64([0]), int64([3])])
        const rows = g.op('Reshape', [product, g.op('Concat', [sizes, int64([6])], { axis: 0 })])
        const back = g.op('Transpose', [rows], { perm: [1, 0, 2, 3] })
        const merged = g.op('Concat', [int64([-1]), g.op('Shape', [open], { start: 2, end: 3 }), int64([6])], {
          axis: 0,
        })
        g.output('rows', g.op('Reshape', [back, merged]))
        return x
      },
      { dimensions: { a: 2, b: 3, c: 2 } },
    ],
    [
      'another Transpose behind',
      /a Transpose would stay/,
      (g, x) => {
        const product = g.op('Gemm', [g.op('Reshape', [x, int64([-1, 4])]), random.tensor([4, 6])])
        return g.op('Transpose', [g.op('Reshape', [product, int64([-1, 3, 6])])], { perm: [1, 0, 2] })
      },
      {},
    ],
    [
      'columns that move',
      /do not stay apart/,
      (g, x) => {
        const product = g.op('Gemm', [g.op('Reshape', [x, int64([-1, 4])]), random.tensor([4, 6])])
        return g.op('Transpose', [g.op('Reshape', [product, int64([-1, 3, 6])])], { perm: [0, 2, 1] })
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    if (reason !== undefined) expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
