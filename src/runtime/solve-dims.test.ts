import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { solveDims } from './solve-dims.ts'

const none = new Map<string, number>()

describe('solveDims', () => {
  it.each([
    [[1, 3, 224, 224], 150_528, [1, 3, 224, 224]],
    [[], 1, []],
    [['batch', 3, 4], 24, [2, 3, 4]],
    [['batch', 3, 4], 0, [0, 3, 4]],
    [[null, 5], 15, [3, 5]],
    [['n', 2, 'n'], 18, [3, 2, 3]],
    [[0, 4], 0, [0, 4]],
  ])('%j with %d elements is %j', (shape, count, dims) => {
    expect(solveDims(shape, count, none)).toEqual(dims)
  })

  it.each([
    [null, 7],
    [['batch', 'sequence'], 6],
    [[null, null], 4],
    [['n', null], 4],
    [['batch', 0], 0],
  ])('%j with %d elements stays open', (shape, count) => {
    expect(solveDims(shape, count, none)).toBeUndefined()
  })

  it.each([
    [[2, 3], 5],
    [[], 2],
    [['batch', 3], 7],
    [['n', 'n'], 8],
    [['batch', 0], 3],
  ])('%j cannot have %d elements', (shape, count) => {
    expect(solveDims(shape, count, none)).toBeNull()
  })

  it('takes sizes that are known from elsewhere', () => {
    expect(solveDims(['batch', 'sequence'], 6, new Map([['batch', 2]]))).toEqual([2, 3])
    expect(solveDims(['batch', 'sequence'], 7, new Map([['batch', 2]]))).toBeNull()
  })

  it('finds the dims back when one size, at one or more places, is hidden', () => {
    const size = fc.integer({ min: 1, max: 40 })
    fc.assert(
      fc.property(fc.array(size, { maxLength: 3 }), size, fc.integer({ min: 1, max: 3 }), (rest, hidden, times) => {
        const dims = [...rest, ...Array<number>(times).fill(hidden)]
        const shape = [...rest, ...Array<string>(times).fill('n')]
        const count = dims.reduce((product, dim) => product * dim, 1)
        expect(solveDims(shape, count, none)).toEqual(dims)
      }),
    )
  })
})
