import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, Tensor } from '../../index.ts'
import { inferShapes } from '../infer.ts'

describe('MatMul', () => {
  it('multiplies vectors, matrices and batches that broadcast', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    const draws = fc.record({
      batch: fc.array(fc.record({ size, left: fc.boolean(), right: fc.boolean() }), { maxLength: 2 }),
      mkn: fc.tuple(size, size, size),
      vectors: fc.constantFrom('none', 'left', 'right', 'both'),
      symbolic: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(draws, async ({ batch, mkn: [m, k, n], vectors, symbolic }) => {
        const isVector = (side: string): boolean => vectors === side || vectors === 'both'
        const left = isVector('left') ? [k] : [...batch.map((item) => (item.left ? item.size : 1)), m, k]
        const right = isVector('right') ? [k] : [...batch.map((item) => (item.right ? item.size : 1)), k, n]
        const sizes: Record<string, number> = {}
        const names = (prefix: string, dims: number[]): string[] =>
          dims.map((dim, axis) => {
            sizes[`${prefix}${axis}`] = dim
            return `${prefix}${axis}`
          })
        const model = buildModel((g) => {
          const a = g.input('a', 'float32', symbolic ? names('a', left) : left)
          const b = g.input('b', 'float32', symbolic ? names('b', right) : right)
          g.output('y', g.op('MatMul', [a, b]))
        })
        await expectShapes(model, symbolic ? sizes : {})
      }),
      { numRuns: 40 },
    )
  })

  it('refuses inner sizes that differ', () => {
    const model = buildModel((g) => {
      g.output('y', g.op('MatMul', [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [4, 5])]))
    })
    expect([...inferShapes(model).conflicts.values()]).toEqual(['The sizes 3 and 4 should be the same.'])
  })
})

describe('Gemm', () => {
  it.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])('transA=%i, transB=%i', async (transA, transB) => {
    const model = buildModel((g) => {
      const a = g.input('a', 'float32', transA ? [4, 'm'] : ['m', 4])
      const b = g.input('b', 'float32', transB ? ['n', 4] : [4, 'n'])
      g.output('y', g.op('Gemm', [a, b, g.constant([1])], { transA, transB, alpha: 2 }))
    })
    const shapes = await expectShapes(model, { m: 3, n: 5 })
    const [y] = model.graph.outputs
    expect(String(y && shapes.shapeOf(y))).toBe('m,n')
  })
})

describe('Einsum', () => {
  it.each<[string, (string | number)[][]]>([
    [
      'ij,jk->ik',
      [
        ['i', 3],
        [3, 'k'],
      ],
    ],
    [
      'ij,jk',
      [
        ['i', 3],
        [3, 'k'],
      ],
    ],
    [
      'bij,bjk->bik',
      [
        ['b', 2, 3],
        ['b', 3, 4],
      ],
    ],
    [
      'bhid,bhjd->bhij',
      [
        ['b', 2, 'i', 3],
        ['b', 2, 'k', 3],
      ],
    ],
    [
      '...ij,...jk->...ik',
      [
        ['b', 2, 'i', 3],
        ['b', 2, 3, 'k'],
      ],
    ],
    ['...i->...', [['b', 2, 'i']]],
    ['ii->i', [[3, 3]]],
    ['ij->', [['i', 'k']]],
    ['i,j->ij', [['i'], ['k']]],
    ['ij -> ji', [['i', 'k']]],
  ])('%s', async (equation, inputs) => {
    const model = buildModel((g) => {
      const values = inputs.map((shape, index) => g.input(`x${index}`, 'float32', shape))
      g.output('y', g.op('Einsum', values, { equation }))
    })
    await expectShapes(model, { i: 2, k: 5, b: 2 })
  })
})

describe('quantised products', () => {
  it('give int32, or the type of the zero point', async () => {
    const model = buildModel((g) => {
      const a = g.input('a', 'uint8', ['b', 'm', 3])
      const b = g.input('b', 'uint8', [3, 4])
      const [scale, zero] = [Tensor.fromNumbers('float32', [], [1]), Tensor.fromNumbers('uint8', [], [0])]
      g.output('integer', g.op('MatMulInteger', [a, b]))
      g.output('linear', g.op('QLinearMatMul', [a, scale, zero, b, scale, zero, scale, zero]))
    })
    await expectShapes(model, { b: 2, m: 3 })
  })
})
