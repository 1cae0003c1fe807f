import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { Dimension } from '../../graph/index.ts'

const random = new Random(21)

/** A·B + C of inputs, the Add either way round. */
const sum = (
  [a, b, c]: readonly (readonly Dimension[])[],
  { left = false, dimensions = {} }: { left?: boolean; dimensions?: Record<string, number> } = {},
) =>
  fuseGraph(
    (g) => {
      const product = g.op('MatMul', [g.input('a', 'float32', a), g.input('b', 'float32', b)])
      const addend = g.input('c', 'float32', c)
      g.output('y', g.op('Add', left ? [addend, product] : [product, addend]))
    },
    { only: ['matmul-add'], dimensions },
  )

describe('matmul-add', () => {
  it('makes a Gemm of matrices and what broadcasts to their product, on either side', async () => {
    for (const c of [[], [1], [5], [1, 5], [4, 1], [4, 5], [1, 1]]) {
      for (const left of [true, false]) expect((await sum([[4, 3], [3, 5], c], { left })).ops).toEqual(['Gemm'])
    }
  })

  it('follows dimensions by name', async () => {
    const { ops } = await sum(
      [
        ['n', 3],
        [3, 'm'],
        ['n', 'm'],
      ],
      { dimensions: { n: 4, m: 2 } },
    )
    expect(ops).toEqual(['Gemm'])
  })

  it('takes a constant weight with a computed addend', async () => {
    const { ops } = await fuseGraph((g) => {
      const product = g.op('MatMul', [g.input('a', 'float32', [2, 3]), random.tensor([3, 4])])
      g.output('y', g.op('Add', [product, g.op('Relu', [g.input('c', 'float32', [4])])]))
    })
    expect(ops).toEqual(['Relu', 'Gemm'])
  })

  it('leaves an addend that stretches the product or raises its rank', async () => {
    for (const shapes of [
      [
        [1, 3],
        [3, 5],
        [4, 5],
      ],
      [[4, 3], [3, 1], [5]],
      [
        [4, 3],
        [3, 5],
        [1, 4, 5],
      ],
      [
        [4, 3],
        [3, 5],
        [2, 4, 5],
      ],
    ]) {
      const { ops, reasons } = await sum(shapes)
      expect(ops).toEqual(['MatMul', 'Add'])
      expect(reasons[0]).toMatch(/is not known to broadcast/)
    }
    const unknown = await sum(
      [
        ['n', 3],
        [3, 5],
        ['m', 5],
      ],
      { dimensions: { n: 1, m: 4 } },
    )
    expect(unknown.ops).toEqual(['MatMul', 'Add'])
  })

  it('leaves products of other ranks', async () => {
    expect((await sum([[2, 4, 3], [3, 5], [5]])).ops).toEqual(['MatMul', 'Add'])
    expect((await sum([[4, 3], [2, 3, 5], [5]])).ops).toEqual(['MatMul', 'Add'])
    expect((await sum([[3], [3, 5], [5]])).ops).toEqual(['MatMul', 'Add'])
  })

  it('leaves a product that is used elsewhere, or of integers', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const product = g.output(
          'p',
          g.op('MatMul', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [3, 4])]),
        )
        g.output('y', g.op('Add', [product, g.input('c', 'float32', [4])]))
      },
      { only: ['matmul-add'] },
    )
    expect(reasons).toEqual([expect.stringMatching(/is an output of its graph/)])
    const integers = await fuseGraph(
      (g) => {
        const product = g.op('MatMul', [g.input('a', 'int32', [2, 3]), g.input('b', 'int32', [3, 4])])
        g.output('y', g.op('Add', [product, g.input('c', 'int32', [4])]))
      },
      { only: ['matmul-add'] },
    )
    expect(integers.reasons).toEqual(['a Gemm is for floats'])
  })

  it('leaves sums before opset 8, which broadcast in their own way', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const product = g.op('MatMul', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [3, 4])])
        g.output('y', g.op('Sum', [product, g.input('c', 'float32', [2, 4])]))
      },
      { only: ['matmul-add'], opset: 7 },
    )
    expect(reasons).toEqual(['sums before opset 8 broadcast in their own way'])
  })

  it('computes the same for matrices of any size', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 4 })
    const addend = fc.constantFrom('scalar', 'columns', 'rows', 'whole', 'row of ones')
    await fc.assert(
      fc.asyncProperty(size, size, size, addend, fc.boolean(), async (m, k, n, kind, left) => {
        const c = { scalar: [], columns: [n], rows: [m, 1], whole: [m, n], 'row of ones': [1, n] }[kind]
        expect((await sum([[m, k], [k, n], c], { left })).ops).toEqual(['Gemm'])
      }),
      { numRuns: 30 },
    )
  })
})
