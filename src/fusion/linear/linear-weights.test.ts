import { describe, expect, it } from 'vitest'
import { type ElementType, elementCount, Tensor } from '../../graph/index.ts'
import { affineBias, broadcastToColumns, roundTo, scaleAxis, scaleGroupedOutputs } from './linear-weights.ts'

/** 1, 2, 3, … */
const counted = (dims: number[], type: ElementType = 'float32'): Tensor =>
  Tensor.fromNumbers(
    type,
    dims,
    Array.from({ length: elementCount(dims) }, (_, index) => index + 1),
  )

const numbers = (result: Tensor | string): number[] => {
  if (typeof result === 'string') throw new Error(result)
  return [...result.toNumbers()]
}

describe('scaleAxis', () => {
  it.each([
    [0, [10, 100], [10, 20, 30, 400, 500, 600]],
    [1, [1, 10, 100], [1, 20, 300, 4, 50, 600]],
  ])('multiplies along axis %d', (axis, factors, expected) => {
    expect(numbers(scaleAxis(counted([2, 3]), axis, Float64Array.from(factors)))).toEqual(expected)
  })

  it('multiplies along an axis in the middle', () => {
    const result = numbers(scaleAxis(counted([2, 2, 2]), 1, Float64Array.of(1, -1)))
    expect(result).toEqual([1, 2, -3, -4, 5, 6, -7, -8])
  })

  it('rounds the product once, from float64', () => {
    const factor = 1 / 3
    for (const type of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
      const expected = Tensor.fromNumbers(
        type,
        [3],
        [1, 2, 3].map((value) => value * factor),
      )
      expect(numbers(scaleAxis(counted([1, 3], type), 0, Float64Array.of(factor)))).toEqual([...expected.toNumbers()])
    }
  })

  it('leaves the weights it was given alone', () => {
    const weights = counted([2, 1])
    scaleAxis(weights, 0, Float64Array.of(2, 2))
    expect([...weights.toNumbers()]).toEqual([1, 2])
  })

  it('gives the reason when factors do not fit, the type is no float, or the result is not finite', () => {
    expect(scaleAxis(counted([2, 3]), 0, Float64Array.of(1, 2, 3))).toMatch(/3 channels do not fit axis 0/)
    expect(scaleAxis(counted([2, 3]), 2, Float64Array.of(1))).toMatch(/do not fit axis 2/)
    expect(scaleAxis(counted([1, 2], 'int8'), 0, Float64Array.of(1))).toMatch(
      /weights of type int8 cannot be rewritten/,
    )
    expect(scaleAxis(counted([1, 2], 'float16'), 0, Float64Array.of(65504))).toMatch(/do not fit float16/)
    expect(scaleAxis(counted([1, 2]), 0, Float64Array.of(3e38))).toMatch(/do not fit float32/)
  })
})

describe('scaleGroupedOutputs', () => {
  it('multiplies output g·(C_out/group) + j where it lies: rows of group g, column j', () => {
    // [C_in = 4, C_out/group = 2, 1] in two groups: rows 0 and 1 lead to outputs 0 and 1, rows 2 and 3 to outputs 2 and 3.
    const result = scaleGroupedOutputs(counted([4, 2, 1]), 2, Float64Array.of(1, 10, 100, 1000))
    expect(numbers(result)).toEqual([1, 20, 3, 40, 500, 6000, 700, 8000])
    expect(typeof result === 'string' ? result : result.dims).toEqual([4, 2, 1])
  })

  it('gives the reason when groups do not fit', () => {
    expect(scaleGroupedOutputs(counted([4, 2, 1]), 2, Float64Array.of(1, 2))).toMatch(/do not fit/)
    expect(scaleGroupedOutputs(counted([3, 2, 1]), 2, Float64Array.of(1, 2, 3, 4))).toMatch(/do not fit/)
  })
})

describe('affineBias', () => {
  const affine = { scale: Float64Array.of(2, 3), shift: Float64Array.of(1, -1) }

  it('is bias·scale + shift, or the shift alone, in the type of the weights', () => {
    expect(numbers(affineBias(counted([2, 1]), counted([2]), affine))).toEqual([3, 5])
    expect(numbers(affineBias(counted([2, 1]), undefined, affine))).toEqual([1, -1])
    const half = affineBias(counted([2, 1], 'float16'), counted([2], 'float32'), affine)
    expect(typeof half === 'string' ? half : half.elementType).toBe('float16')
  })

  it('gives the reason when lengths differ', () => {
    expect(affineBias(counted([2, 1]), counted([3]), affine)).toMatch(/2 channels do not fit a bias of dims \[3\]/)
  })
})

it('roundTo refuses what its type cannot hold', () => {
  expect(roundTo(counted([1], 'float16'), [1], Float64Array.of(65520))).toMatch(/do not fit float16/)
  expect(numbers(roundTo(counted([1], 'float16'), [1], Float64Array.of(65519)))).toEqual([65504])
  expect(roundTo(counted([1]), [1], Float64Array.of(Number.NaN))).toMatch(/do not fit/)
})

describe('broadcastToColumns', () => {
  it.each<[number[] | undefined, number[]]>([
    [undefined, [0, 0, 0]],
    [[], [1, 1, 1]],
    [[1], [1, 1, 1]],
    [
      [1, 1],
      [1, 1, 1],
    ],
    [[3], [1, 2, 3]],
    [
      [1, 3],
      [1, 2, 3],
    ],
  ])('spreads C of dims %j over three columns', (dims, expected) => {
    expect(broadcastToColumns(dims && counted(dims), 3)).toEqual(Float64Array.from(expected))
  })

  it.each([[[3, 1]], [[2, 3]], [[3, 3]], [[2]]])('refuses C of dims %j', (dims) => {
    expect(broadcastToColumns(counted(dims), 3)).toMatch(/does not broadcast/)
  })
})
