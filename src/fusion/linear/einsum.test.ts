import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type Dimension, int64 } from '../../graph/index.ts'

const fused = (
  equation: string,
  shapes: readonly (readonly Dimension[])[],
  options: CompareOptions & BuildOptions = {},
) =>
  fuseGraph(
    (g) => {
      const operands = shapes.map((shape, index) => g.input(`x${index}`, 'float32', shape))
      g.output('y', g.op('Einsum', operands, { equation }))
    },
    { only: ['einsum', 'identity'], ...options },
  )

/** Sizes by index, so that an equation says its shapes. */
const sizes: Readonly<Record<string, number>> = { b: 2, h: 3, i: 4, j: 5, d: 6, k: 7, q: 4, n: 3, l: 2, m: 5 }
const shapesOf = (equation: string): number[][] =>
  (equation.split('->')[0] ?? '').split(',').map((term) => [...term].map((index) => sizes[index] ?? 2))

/** An Einsum of x and weights: x is the term given, or the one that begins with a; its first sizes may be open. */
const weighted = (equation: string, open: readonly string[] = [], term?: string) => {
  const terms = (equation.split('->')[0] ?? '').split(',')
  const data = term ?? terms.find((one) => one.startsWith('a')) ?? terms[0]
  return fuseGraph(
    (g) => {
      const operands = terms.map((one, place) => {
        const dims = [...one].map((index) => 2 + (index.charCodeAt(0) % 3))
        return place === terms.indexOf(data ?? '')
          ? g.input(
              'x',
              'float32',
              dims.map((dim, axis) => open[axis] ?? dim),
            )
          : new Random(3).tensor(dims)
      })
      g.output('y', g.op('Einsum', operands, { equation }))
    },
    { only: ['einsum', 'identity', 'constant-view'], dimensions: openSizes },
  )
}

/** What the open sizes are in a run: those of the indices a and b. */
const openSizes = { n: 2 + (97 % 3), s: 2 + (98 % 3) }

describe('einsum', () => {
  it.each([
    ['ij,jk->ik', ['MatMul']],
    ['bij,bjk->bik', ['MatMul']],
    ['bhij,bhjd->bhid', ['MatMul']],
    ['bij,jk->bik', ['MatMul']],
    ['bhij,jk->bhik', ['MatMul']],
    ['ij,j->i', ['MatMul']],
    ['bij,j->bi', ['MatMul']],
    ['i,ij->j', ['MatMul']],
    ['i,i->', ['MatMul']],
    ['bhid,bhjd->bhij', ['Transpose', 'MatMul']],
    ['ij,kj->ik', ['Transpose', 'MatMul']],
    ['ji,jk->ik', ['Transpose', 'MatMul']],
    ['ij,jk->ki', ['Transpose', 'Transpose', 'MatMul']],
    ['bqhd,bkhd->bhqk', ['Transpose', 'Transpose', 'MatMul']],
    ['bhqk,bkhd->bqhd', ['Transpose', 'MatMul', 'Transpose']],
    ['hij,hjk->ihk', ['MatMul', 'Transpose']],
  ])('multiplies matrices: %s', async (equation, ops) => {
    expect((await fused(equation, shapesOf(equation))).ops).toEqual(ops)
  })

  it.each([
    ['i,j->ij', ['Unsqueeze', 'Mul']],
    ['ij,ij->ij', ['Mul']],
    ['bij,j->bij', ['Mul']],
    ['bij,b->bij', ['Unsqueeze', 'Mul']],
    ['ij,ji->ij', ['Transpose', 'Mul']],
    ['bi,bj->bij', ['Unsqueeze', 'Unsqueeze', 'Mul']],
  ])('multiplies elements: %s', async (equation, ops) => {
    expect((await fused(equation, shapesOf(equation))).ops).toEqual(ops)
  })

  it.each([
    ['ij->ji', ['Transpose']],
    ['bij->bji', ['Transpose']],
    ['ij->i', ['ReduceSum']],
    ['ij->', ['ReduceSum']],
    ['bij->jb', ['ReduceSum', 'Transpose']],
    ['bij->bi', ['ReduceSum']],
  ])('sums and transposes: %s', async (equation, ops) => {
    expect((await fused(equation, shapesOf(equation))).ops).toEqual(ops)
    expect((await fused(equation, shapesOf(equation), { opset: 12, irVersion: 7 })).ops).toEqual(ops)
  })

  it('reads spaces, capitals, an output left out, and what "..." stands for', async () => {
    expect(
      (
        await fused(' b i j , b j k -> b i k ', [
          [2, 3, 4],
          [2, 4, 5],
        ])
      ).ops,
    ).toEqual(['MatMul'])
    expect(
      (
        await fused('Ij,jK->IK', [
          [3, 4],
          [4, 5],
        ])
      ).ops,
    ).toEqual(['MatMul'])
    expect(
      (
        await fused('ij,jk', [
          [3, 4],
          [4, 5],
        ])
      ).ops,
    ).toEqual(['MatMul'])
    expect((await fused('ba', [[3, 4]])).ops).toEqual(['Transpose'])
    expect(
      (
        await fused('...ij,...jk->...ik', [
          [2, 2, 3, 4],
          [2, 2, 4, 5],
        ])
      ).ops,
    ).toEqual(['MatMul'])
    expect(
      (
        await fused('...ij,jk->...ik', [
          [2, 2, 3, 4],
          [4, 5],
        ])
      ).ops,
    ).toEqual(['MatMul'])
    expect(
      (
        await fused('...i,...i->...i', [
          [2, 1, 4],
          [2, 3, 4],
        ])
      ).ops,
    ).toEqual(['Mul'])
    expect((await fused('...ij->...ji', [[2, 2, 3, 4]])).ops).toEqual(['Transpose'])
  })

  it('stretches a batch of one, as Einsum does', async () => {
    expect(
      (
        await fused('bij,bjk->bik', [
          [1, 3, 4],
          [5, 4, 2],
        ])
      ).ops,
    ).toEqual(['MatMul'])
  })

  it('follows dimensions by name', async () => {
    const { ops } = await fused(
      'bhid,bhjd->bhij',
      [
        ['b', 2, 'n', 8],
        ['b', 2, 'm', 8],
      ],
      { dimensions: { b: 2, n: 3, m: 4 } },
    )
    expect(ops).toEqual(['Transpose', 'MatMul'])
  })

  it.each([
    ['ii->i', [[3, 3]], /has an index twice/],
    ['iij,j->i', [[3, 3, 4], [4]], /has an index twice/],
    [
      'ij,jk->i',
      [
        [3, 4],
        [4, 5],
      ],
      /sums over "k" of one operand alone/,
    ],
    [
      'ij,jk,kl->il',
      [
        [3, 4],
        [4, 5],
        [5, 2],
      ],
      /more than two operands/,
    ],
    [
      'ijk,jkl->il',
      [
        [3, 4, 5],
        [4, 5, 2],
      ],
      /would have to become one axis/,
    ],
    [
      'bij,bj->bi',
      [
        [2, 3, 4],
        [2, 4],
      ],
      /would have to become one axis/,
    ],
    [
      'bij,bjkl->bikl',
      [
        [2, 3, 4],
        [2, 4, 5, 2],
      ],
      /would have to become one axis/,
    ],
  ])('leaves %s', async (equation, shapes, reason) => {
    const { ops, reasons } = await fused(equation, shapes)
    expect(ops).toEqual(['Einsum'])
    expect(reasons[0]).toMatch(reason)
  })

  it('leaves an index that may be 1 in one operand: Einsum stretches it', async () => {
    const { ops, reasons } = await fused(
      'ij,jk->ik',
      [
        [3, 'n'],
        ['m', 5],
      ],
      { dimensions: { n: 1, m: 4 } },
    )
    expect(ops).toEqual(['Einsum'])
    expect(reasons[0]).toBe('"j" is not known to have one size in both operands')
    expect(
      (
        await fused('ij,jk->ik', [
          [3, 1],
          [4, 5],
        ])
      ).ops,
    ).toEqual(['Einsum'])
  })

  it.each([
    ['Keras: heads of a projection', 'abc,cde->abde', ['MatMul', 'Reshape']],
    ['Keras: heads put together', 'abcd,cde->abe', ['Reshape', 'MatMul']],
    ['Keras: several of both', 'abcd,cdef->abef', ['Reshape', 'MatMul', 'Reshape']],
    ['weights on the left', 'cde,abc->abde', ['MatMul', 'Reshape']],
    ['weights in another order', 'abc,dec->abde', ['MatMul', 'Reshape']],
    ['a result in another order', 'abc,cde->daeb', ['MatMul', 'Reshape', 'Transpose']],
    ['all of the data summed over', 'abc,abcd->d', ['Reshape', 'MatMul']],
    ['all of the weights summed over', 'abcd,cd->ab', ['Reshape', 'MatMul']],
  ])('makes constant weights a matrix: %s', async (_, equation, expected) => {
    expect((await weighted(equation)).ops).toEqual(expected)
    const open = equation.split('->')[1]?.includes('a') ? ['n', 's'] : []
    // The runtime does not multiply what is empty with a vector.
    const isVector = equation.endsWith(',cd->ab')
    expect((await weighted(equation, open)).ops).toEqual([...expected, ...(isVector ? ['Squeeze'] : [])])
  })

  it('makes vectors matrices of one column where there may be nothing to multiply them with', async () => {
    for (const [left, right] of [
      [['n', 3, 4], [4]],
      [['n', 4], [4]],
      [[2, 3, 'k'], ['k']],
    ] as const) {
      const equation = left.length === 2 ? 'bj,j->b' : 'bij,j->bi'
      const { ops } = await fuseGraph(
        (g) =>
          g.output('y', g.op('Einsum', [g.input('a', 'float32', left), g.input('b', 'float32', right)], { equation })),
        { only: ['einsum'] },
      )
      expect(ops).toEqual(['Unsqueeze', 'MatMul', 'Squeeze'])
    }
  })

  it('leaves a batch of one beside one that may be 0', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) =>
        g.output(
          'y',
          g.op('Einsum', [g.input('a', 'float32', [1, 3, 4]), g.input('b', 'float32', ['n', 4, 2])], {
            equation: 'bij,bjk->bik',
          }),
        ),
      { only: ['einsum'] },
    )
    expect(ops).toEqual(['Einsum'])
    expect(reasons).toEqual(['"b" is 1 in one operand and may be 0 in the other'])
  })

  it('leaves weights with a batch', async () => {
    expect((await weighted('abcd,acde->abe')).reasons[0]).toMatch(/would have to become one axis/)
  })

  it('computes the same for weights of any indices', { timeout: 120_000 }, async () => {
    const drawn = fc.record({
      rows: fc.integer({ min: 0, max: 2 }),
      contracted: fc.integer({ min: 1, max: 3 }),
      columns: fc.integer({ min: 0, max: 2 }),
      orders: fc.tuple(fc.infiniteStream(fc.nat()), fc.boolean()),
    })
    await fc.assert(
      fc.asyncProperty(drawn, async ({ rows, contracted, columns, orders: [numbers, onLeft] }) => {
        const letters = [...'abcdefg']
        const [r, k, c] = [rows, contracted, columns].map((count) => letters.splice(0, count))
        const shuffled = (list: readonly string[]): string =>
          list
            .map((letter) => ({ letter, place: numbers.next().value ?? 0 }))
            .sort((one, other) => one.place - other.place)
            .map(({ letter }) => letter)
            .join('')
        const [data, weight] = [shuffled([...(r ?? []), ...(k ?? [])]), shuffled([...(k ?? []), ...(c ?? [])])]
        const terms = onLeft ? [weight, data] : [data, weight]
        const { ops } = await weighted(`${terms.join()}->${shuffled([...(r ?? []), ...(c ?? [])])}`, [], data)
        expect(ops).not.toContain('Einsum')
      }),
      { numRuns: 40 },
    )
  })

  it.each<[string, number[][], string]>([
    ['ij->ik', [[2, 3]], 'no operand has its index "k"'],
    ['ij,jk->ik', [[2, 3]], 'its equation does not fit its operands'],
    ['ij->ji', [[2, 3, 4]], 'its equation does not fit its operands'],
  ])('leaves %s of operands of [%j], which no runtime takes', (equation, shapes, reason) => {
    const reasons = reasonsForLeaving('einsum', (g) => {
      const operands = shapes.map((shape, index) => g.input(`x${index}`, 'float32', shape))
      g.output('y', g.op('Einsum', operands, { equation }))
    })
    expect(reasons).toEqual([reason])
  })

  it('leaves operands of which nobody knows how many axes "..." stands for', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const x = g.op('Reshape', [g.input('x', 'float32', [6]), g.input('shape', 'int64', ['rank'])])
        g.output('y', g.op('Einsum', [x], { equation: '...i->i...' }))
      },
      { only: ['einsum'], feeds: { x: new Random(1).tensor([6]), shape: int64([2, 3]) } },
    )
    expect(reasons).toEqual(['the rank of an operand with "..." is unknown'])
  })

  it('leaves a contraction of integers', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const operands = [g.input('a', 'int32', [2, 3]), g.input('b', 'int32', [3, 4])]
        g.output('y', g.op('Einsum', operands, { equation: 'ij,jk->ik' }))
      },
      { only: ['einsum'] },
    )
    expect(reasons).toEqual(['a MatMul is for floats'])
  })

  it('computes the same for any equation of two operands', { timeout: 120_000 }, async () => {
    const indices = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 })
    const subset = fc.infiniteStream(fc.boolean())
    const size = fc.integer({ min: 1, max: 3 })
    const dims = fc.record({ a: size, b: size, c: size, d: size, e: size })
    await fc.assert(
      fc.asyncProperty(indices, indices, subset, dims, fc.nat(100), async (left, right, keep, bound, order) => {
        fc.pre(left.length > 0 || right.length > 0)
        const all = [...new Set([...left, ...right])]
        const kept = all.filter(() => keep.next().value === true)
        const output = [...kept.slice(order % (kept.length + 1)), ...kept.slice(0, order % (kept.length + 1))]
        const shape = (term: readonly ('a' | 'b' | 'c' | 'd' | 'e')[]) => term.map((index) => bound[index])
        await fused(`${left.join('')},${right.join('')}->${output.join('')}`, [shape(left), shape(right)])
      }),
      { numRuns: 150 },
    )
  })
})
