import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectLeftAlone, normalize } from '../../../test/support/batch-norm.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { float, type GraphBuilder } from '../../graph/index.ts'

const only = ['gemm-batch-norm']
const [M, K, N] = [3, 5, 4]

interface Form {
  alpha?: number
  beta?: number
  transA?: number
  transB?: number
  /** Dims of C; undefined for none. */
  C?: readonly number[] | undefined
  rows?: number
}

const gemmNorm =
  ({ C, rows = M, ...attributes }: Form, random = new Random(3)) =>
  (g: GraphBuilder): void => {
    const { transA = 0, transB = 0, alpha, beta, ...rest } = attributes
    const a = g.input('x', 'float32', transA ? [K, rows] : [rows, K])
    const operands = [a, random.tensor(transB ? [N, K] : [K, N]), ...(C ? [random.tensor(C)] : [])]
    const floats = {
      ...(alpha === undefined ? {} : { alpha: float(alpha) }),
      ...(beta === undefined ? {} : { beta: float(beta) }),
    }
    const gemm = g.op('Gemm', operands, { ...rest, transA, transB, ...floats })
    g.output('y', normalize(g, gemm, N))
  }

describe('gemm-batch-norm folds', () => {
  it.each<[string, Form]>([
    ['alpha', { alpha: 0.5, C: [N] }],
    ['alpha = 0', { alpha: 0, C: [N] }],
    ['beta', { beta: 0.25, C: [N] }],
    ['beta = 0', { beta: 0, C: [N] }],
    ['beta without C', { beta: 3 }],
    ['alpha and beta', { alpha: -2, beta: 3, C: [1, N] }],
    ['transA', { transA: 1, C: [N] }],
    ['transB', { transB: 1, C: [N] }],
    ['transA and transB', { transA: 1, transB: 1 }],
    ['no C', {}],
    ['a scalar C', { C: [] }],
    ['C of [1]', { C: [1], beta: 2 }],
    ['C of [1, 1]', { C: [1, 1] }],
    ['C of [N]', { C: [N] }],
    ['C of [1, N]', { C: [1, N] }],
    ['one row', { C: [1, N], rows: 1 }],
    ['as many rows as columns', { C: [N], rows: N }],
  ])('%s', async (_, form) => {
    const { ops, model } = await fuseGraph(gemmNorm(form), { only })
    expect(ops).toEqual(['Gemm'])
    const gemm = findNode(model, 'Gemm')
    expect(gemm.inputs[2]?.shape).toEqual([N])
    expect([gemm.float('alpha', 1), gemm.float('beta', 1)]).toEqual([form.alpha ?? 1, 1])
  })

  it('any Gemm whose C has no rows of its own', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          alpha: fc.integer({ min: -4, max: 4 }).map((value) => value / 4),
          beta: fc.integer({ min: -4, max: 4 }).map((value) => value / 4),
          transA: fc.integer({ min: 0, max: 1 }),
          transB: fc.integer({ min: 0, max: 1 }),
          C: fc.constantFrom(undefined, [], [1], [1, 1], [N], [1, N]),
          rows: fc.integer({ min: 1, max: 5 }),
        }),
        fc.integer(),
        async (form, seed) => {
          const { ops } = await fuseGraph(gemmNorm(form, new Random(seed)), { only, seed })
          expect(ops).toEqual(['Gemm'])
        },
      ),
      { numRuns: 40, seed: 13 },
    ))
})

it.each<[string, Form]>([
  ['[M, N]', { C: [M, N] }],
  ['[M, 1]', { C: [M, 1] }],
  ['[N, 1] with as many rows', { C: [N, 1], rows: N }],
  ['[N, N] with as many rows', { C: [N, N], rows: N }],
])('gemm-batch-norm leaves alone a C of %s, which has rows of its own', (_, form) =>
  expectLeftAlone('gemm-batch-norm', gemmNorm(form), /does not broadcast along the rows/),
)

it('gemm-batch-norm leaves alone a Gemm before opset 7, which broadcast C by an attribute', () =>
  expectLeftAlone(
    'gemm-batch-norm',
    (g) => {
      const random = new Random(3)
      const gemm = g.op('Gemm', [g.input('x', 'float32', [M, K]), random.tensor([K, N]), random.tensor([N])], {
        broadcast: 1,
      })
      g.output('y', normalize(g, gemm, N, { attributes: { is_test: 1 } }))
    },
    /before opset 7/,
    { opset: 6, run: false },
  ))
