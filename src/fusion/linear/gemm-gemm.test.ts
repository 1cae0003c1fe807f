import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const random = new Random(27)
const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
) => fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', shape))), { only: ['gemm-gemm'], ...options })

describe('gemm-gemm', () => {
  it('composes Gemms with alpha, beta, transB and biases', async () => {
    for (const [one, two] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const { ops, bytes } = await fused([2, 3], (g, x) => {
        const first = [x, random.tensor(one ? [6, 3] : [3, 6]), random.tensor([6])]
        const y = g.op('Gemm', first, { alpha: 0.5, beta: 2, transB: one })
        const second = [y, random.tensor(two ? [4, 6] : [6, 4]), random.tensor([1, 4])]
        return g.op('Gemm', second, { alpha: 3, beta: 0.5, transB: two })
      })
      expect(ops).toEqual(['Gemm'])
      expect(bytes.after).toBeLessThan(bytes.before)
    }
  })

  it('composes MatMuls of any rank, with their Adds', async () => {
    for (const shape of [[3], [2, 3], [2, 5, 3]]) {
      const { ops } = await fused(shape, (g, x) =>
        g.op('MatMul', [g.op('MatMul', [x, random.tensor([3, 6])]), random.tensor([6, 4])]),
      )
      expect(ops).toEqual(['MatMul'])
    }
    const linear = (g: GraphBuilder, x: Value, size: readonly number[]) =>
      g.op('Add', [random.tensor([size[1] ?? 1]), g.op('MatMul', [x, random.tensor(size)])])
    const biased = await fused([2, 5, 3], (g, x) => linear(g, linear(g, x, [3, 6]), [6, 4]))
    expect(biased.ops).toEqual(['MatMul', 'Add'])
    const first = await fused([2, 5, 3], (g, x) => g.op('MatMul', [linear(g, x, [3, 6]), random.tensor([6, 4])]))
    expect(first.ops).toEqual(['MatMul', 'Add'])
    const mixed = await fused([5, 3], (g, x) =>
      g.op('MatMul', [
        g.op('Gemm', [x, random.tensor([3, 6]), random.tensor([6])], { transA: 0 }),
        random.tensor([6, 4]),
      ]),
    )
    expect(mixed.ops).toEqual(['Gemm'])
  })

  it('leaves what would be larger', async () => {
    const { ops, reasons } = await fused([2, 8], (g, x) =>
      g.op('MatMul', [g.op('MatMul', [x, random.tensor([8, 2])]), random.tensor([2, 8])]),
    )
    expect(ops).toEqual(['MatMul', 'MatMul'])
    expect(reasons[0]).toBe('the product has 64 weights, the two have 32')
  })

  it('leaves transposed data, batches of weights, computed weights and a C with rows', async () => {
    const transposed = await fused([3, 2], (g, x) =>
      g.op('Gemm', [g.op('Gemm', [x, random.tensor([3, 6])], { transA: 1 }), random.tensor([6, 4])]),
    )
    expect(transposed.ops).toEqual(['Gemm', 'Gemm'])
    const outer = await fused([2, 3], (g, x) =>
      g.op('Gemm', [g.op('Gemm', [x, random.tensor([3, 6])]), random.tensor([2, 4])], { transA: 1 }),
    )
    expect(outer.ops).toEqual(['Gemm', 'Gemm'])
    const batch = await fused([2, 3], (g, x) =>
      g.op('MatMul', [g.op('MatMul', [x, random.tensor([2, 3, 6])]), random.tensor([6, 4])]),
    )
    expect(batch.ops).toEqual(['MatMul', 'MatMul'])
    const computed = await fused([2, 3], (g, x) =>
      g.op('MatMul', [g.op('MatMul', [x, random.tensor([3, 2])]), g.op('Relu', [x])]),
    )
    expect(computed.ops).toContain('MatMul')
    expect(computed.report.rewrites).toBe(0)
    const rows = await fused([2, 3], (g, x) =>
      g.op('MatMul', [g.op('Gemm', [x, random.tensor([3, 6]), random.tensor([2, 6])]), random.tensor([6, 4])]),
    )
    expect(rows.reasons[0]).toMatch(/does not broadcast along the rows/)
  })

  it('leaves a product that takes too long to compute', () => {
    const reasons = reasonsForLeaving('gemm-gemm', (g) => {
      const weight = () => g.constant(new Float32Array(1100 ** 2), { dims: [1100, 1100] })
      g.output('y', g.op('MatMul', [g.op('MatMul', [g.input('x', 'float32', [1, 1100]), weight()]), weight()]))
    })
    expect(reasons).toEqual(['the product takes too long to compute'])
  })

  it('leaves a value with another user', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const y = g.output('middle', g.op('MatMul', [g.input('x', 'float32', [2, 3]), random.tensor([3, 6])]))
        g.output('y', g.op('MatMul', [y, random.tensor([6, 4])]))
      },
      { only: ['gemm-gemm'] },
    )
    expect(reasons).toEqual(['"middle" is an output of its graph'])
  })

  it('computes the same for matrices of any size', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 6 })
    const op = fc.constantFrom('Gemm', 'MatMul')
    const biases = fc.tuple(fc.boolean(), fc.boolean())
    await fc.assert(
      fc.asyncProperty(fc.tuple(size, size, size, size), op, op, biases, async ([m, k, h, n], one, two, [a, b]) => {
        const { report } = await fused([m, k], (g, x) => {
          const apply = (kind: string, y: Value, rows: number, columns: number, bias: boolean): Value => {
            if (kind === 'Gemm') {
              return g.op('Gemm', [y, random.tensor([rows, columns]), ...(bias ? [random.tensor([columns])] : [])])
            }
            const product = g.op('MatMul', [y, random.tensor([rows, columns])])
            return bias ? g.op('Add', [product, random.tensor([columns])]) : product
          }
          return apply(two, apply(one, x, k, h, a), h, n, b)
        })
        expect(report.fusions['gemm-gemm']).toBe(k * n > k * h + h * n ? undefined : 1)
      }),
      { numRuns: 50 },
    )
  })
})
