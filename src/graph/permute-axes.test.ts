import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { permuteAxes } from './permute-axes.ts'

/** Index by index, as the definition has it. */
function permuted(source: Float32Array, dims: readonly number[], permutation: readonly number[]): number[] {
  const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((product, dim) => product * dim, 1))
  let places = [0]
  for (const axis of permutation) {
    places = places.flatMap((place) =>
      Array.from({ length: dims[axis] ?? 0 }, (_, index) => place + index * (strides[axis] ?? 0)),
    )
  }
  return places.map((place) => source[place] as number)
}

describe('permuteAxes', () => {
  it('moves every element to where its indices go, for any rank, sizes and order', () => {
    const cases = fc
      .array(fc.integer({ min: 0, max: 5 }), { maxLength: 5 })
      .chain((dims) => fc.tuple(fc.constant(dims), fc.shuffledSubarray([...dims.keys()], { minLength: dims.length })))
    fc.assert(
      fc.property(cases, ([dims, permutation]) => {
        const size = dims.reduce((product, dim) => product * dim, 1)
        const source = Float32Array.from({ length: size }, (_, index) => index)
        expect([...permuteAxes(source, dims, permutation)]).toEqual(permuted(source, dims, permutation))
      }),
    )
  })

  it('transposes matrices that are no multiple of a tile, alone and in batches', () => {
    for (const [dims, permutation] of [
      [
        [37, 50],
        [1, 0],
      ],
      [
        [3, 37, 18],
        [0, 2, 1],
      ],
      [
        [2, 19, 3, 33],
        [0, 3, 1, 2],
      ],
      [
        [33, 2, 17],
        [2, 1, 0],
      ],
    ] as const) {
      const source = Float32Array.from({ length: dims.reduce((a: number, b) => a * b, 1) }, (_, index) => index)
      expect([...permuteAxes(source, dims, permutation)]).toEqual(permuted(source, dims, permutation))
    }
  })

  it('keeps 64-bit integers whole', () => {
    const source = BigInt64Array.of(1n, 2n ** 60n + 1n, 3n, -4n)
    expect([...permuteAxes(source, [2, 2], [1, 0])]).toEqual([1n, 3n, 2n ** 60n + 1n, -4n])
  })
})
