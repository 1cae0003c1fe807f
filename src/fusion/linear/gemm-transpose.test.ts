import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const fused = (build: (g: GraphBuilder) => Value, options: CompareOptions & BuildOptions = {}) =>
  fuseGraph((g) => g.output('y', build(g)), { only: ['gemm-transpose'], ...options })

describe('gemm-transpose', () => {
  it('turns transA and transB over, with a perm and without', async () => {
    for (const [transA, transB] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      for (const perm of [{}, { perm: [1, 0] }]) {
        const { ops, model } = await fused((g) => {
          const a = g.op('Transpose', [g.input('a', 'float32', transA ? [4, 3] : [3, 4])], perm)
          const b = g.op('Transpose', [g.input('b', 'float32', transB ? [3, 5] : [5, 3])], perm)
          return g.op('Gemm', [a, b, g.input('c', 'float32', [5])], { alpha: 0.5, transA, transB })
        })
        expect(ops).toEqual(['Gemm'])
        const [gemm] = model.graph.nodes
        expect([gemm?.int('transA'), gemm?.int('transB')]).toEqual([1 - transA, 1 - transB])
      }
    }
  })

  it('makes a Gemm of a MatMul of matrices', async () => {
    const right = await fused((g) =>
      g.op('MatMul', [g.input('a', 'float32', [4, 3]), g.op('Transpose', [g.input('b', 'float32', [5, 3])])]),
    )
    expect(right.ops).toEqual(['Gemm'])
    const left = await fused((g) =>
      g.op('MatMul', [g.op('Transpose', [g.input('a', 'float32', [3, 'n'])]), g.input('b', 'float32', [3, 5])]),
    )
    expect(left.ops).toEqual(['Gemm'])
  })

  it('leaves a MatMul of higher rank, and one before opset 11', async () => {
    const batched = await fused((g) => {
      const b = g.op('Transpose', [g.input('b', 'float32', [5, 3])])
      return g.op('MatMul', [g.input('a', 'float32', [2, 4, 3]), b])
    })
    expect(batched.ops).toEqual(['Transpose', 'MatMul'])
    const old = await fused(
      (g) => g.op('MatMul', [g.input('a', 'float32', [4, 3]), g.op('Transpose', [g.input('b', 'float32', [5, 3])])]),
      { opset: 10 },
    )
    expect(old.reasons).toEqual(['a Gemm before opset 11 needs a C'])
  })

  it('leaves a transpose that is used elsewhere, and one that moves nothing', async () => {
    const shared = await fused((g) => {
      const b = g.op('Transpose', [g.input('b', 'float32', [3, 3])])
      return g.op('Gemm', [g.op('Relu', [b]), b])
    })
    expect(shared.ops).toContain('Transpose')
    expect(shared.reasons[0]).toMatch(/has 2 users/)
    const idle = await fused((g) =>
      g.op('Gemm', [
        g.op('Transpose', [g.input('b', 'float32', [3, 3])], { perm: [0, 1] }),
        g.input('a', 'float32', [3, 3]),
      ]),
    )
    expect(idle.ops).toEqual(['Transpose', 'Gemm'])
  })

  it('computes the same for matrices of any size', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 4 })
    const flag = fc.boolean()
    await fc.assert(
      fc.asyncProperty(size, size, size, flag, flag, flag, flag, async (m, k, n, ta, tb, turnA, turnB) => {
        const { ops } = await fused((g) => {
          const operand = (name: string, rows: number, columns: number, turned: boolean): Value =>
            turned
              ? g.op('Transpose', [g.input(name, 'float32', [columns, rows])])
              : g.input(name, 'float32', [rows, columns])
          const a = ta ? operand('a', k, m, turnA) : operand('a', m, k, turnA)
          const b = tb ? operand('b', n, k, turnB) : operand('b', k, n, turnB)
          return g.op('Gemm', [a, b], { transA: Number(ta), transB: Number(tb) })
        })
        expect(ops).toEqual(['Gemm'])
      }),
      { numRuns: 30 },
    )
  })
})
