import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type Dimension, int64 } from '../../graph/index.ts'

const random = new Random(2)

interface Setting {
  a?: readonly Dimension[]
  b?: readonly Dimension[]
  c: readonly Dimension[]
  transA?: number
  transB?: number
  left?: boolean
  gemmBias?: boolean
  dimensions?: Record<string, number>
}

const sum = ({ c, transA = 0, transB = 0, left, gemmBias, dimensions = {}, ...rest }: Setting) =>
  fuseGraph(
    (g) => {
      const a = g.input('a', 'float32', rest.a ?? (transA ? [3, 4] : [4, 3]))
      const b = g.input('b', 'float32', rest.b ?? (transB ? [5, 3] : [3, 5]))
      const bias = gemmBias ? [g.input('d', 'float32', [5])] : []
      const product = g.op('Gemm', [a, b, ...bias], { alpha: 0.5, beta: 3, transA, transB })
      const addend = g.input('c', 'float32', c)
      g.output('y', g.op('Add', left ? [addend, product] : [product, addend]))
    },
    { only: ['gemm-add'], dimensions },
  )

describe('gemm-add', () => {
  it('takes what broadcasts to the product as C, and its own beta no more', async () => {
    for (const c of [[], [1], [5], [1, 5], [4, 1], [4, 5]]) {
      for (const left of [true, false]) expect((await sum({ c, left })).ops).toEqual(['Gemm'])
    }
  })

  it('takes a Sum of two, and leaves one of three', async () => {
    for (const [count, expected] of [
      [1, ['Gemm']],
      [2, ['Gemm', 'Sum']],
    ] as const) {
      const { ops } = await fuseGraph(
        (g) => {
          const product = g.op('Gemm', [g.input('a', 'float32', [4, 3]), g.input('b', 'float32', [3, 5])])
          const others = Array.from({ length: count }, (_, index) => g.input(`c${index}`, 'float32', [4, 5]))
          g.output('y', g.op('Sum', [product, ...others]))
        },
        { only: ['gemm-add'] },
      )
      expect(ops).toEqual(expected)
    }
  })

  it('knows rows and columns of transposed matrices', async () => {
    for (const [transA, transB] of [
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      expect((await sum({ c: [4, 5], transA, transB })).ops).toEqual(['Gemm'])
    }
  })

  it('leaves an addend that stretches the product or raises its rank, and one that is not known to fit', async () => {
    for (const setting of [
      { a: [1, 3], c: [4, 5] },
      { b: [3, 1], c: [5] },
      { c: [1, 4, 5] },
      { a: ['n', 3], c: ['m', 5], dimensions: { n: 1, m: 3 } },
    ]) {
      const { ops, reasons } = await sum(setting)
      expect(ops).toEqual(['Gemm', 'Add'])
      expect(reasons[0]).toMatch(/is not known to broadcast/)
    }
  })

  it('leaves an addend of unknown shape, and sums before opset 8, which broadcast in their own way', async () => {
    const unknown = await fuseGraph(
      (g) => {
        const product = g.op('Gemm', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [3, 4])])
        const c = g.op('Reshape', [g.input('c', 'float32', [4]), g.input('shape', 'int64', ['rank'])])
        g.output('y', g.op('Add', [product, c]))
      },
      {
        only: ['gemm-add'],
        feeds: { a: random.tensor([2, 3]), b: random.tensor([3, 4]), c: random.tensor([4]), shape: int64([1, 4]) },
      },
    )
    expect(unknown.reasons).toEqual(['a shape is unknown'])
    const older = reasonsForLeaving(
      'gemm-add',
      (g) => {
        const product = g.op('Gemm', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [3, 4])])
        g.output('y', g.op('Sum', [product, g.input('c', 'float32', [2, 4])]))
      },
      { opset: 7 },
    )
    expect(older).toEqual(['sums before opset 8 broadcast in their own way'])
  })

  it('leaves a Gemm that has a C, and one that is used elsewhere', async () => {
    expect((await sum({ c: [5], gemmBias: true })).ops).toEqual(['Gemm', 'Add'])
    const { reasons } = await fuseGraph(
      (g) => {
        const product = g.output('p', g.op('Gemm', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [3, 4])]))
        g.output('y', g.op('Add', [product, g.input('c', 'float32', [4])]))
      },
      { only: ['gemm-add'] },
    )
    expect(reasons).toEqual([expect.stringMatching(/is an output of its graph/)])
  })

  it('computes the same for matrices of any size', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 4 })
    const flag = fc.constantFrom(0, 1)
    await fc.assert(
      fc.asyncProperty(size, size, size, flag, flag, fc.boolean(), async (m, k, n, transA, transB, whole) => {
        const [a, b] = [transA ? [k, m] : [m, k], transB ? [n, k] : [k, n]]
        expect((await sum({ a, b, c: whole ? [m, n] : [n], transA, transB })).ops).toEqual(['Gemm'])
      }),
      { numRuns: 30 },
    )
  })
})
