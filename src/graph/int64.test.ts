import fc from 'fast-check'
import Long from 'long'
import { describe, expect, it } from 'vitest'
import { int64ToBigInt, int64ToNumber, numberToInt64 } from './int64.ts'

describe('a 64-bit integer', () => {
  it('is the same number as by its digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (integer) => {
        const long = Long.fromString(String(integer))
        expect(int64ToNumber(long)).toBe(Number(integer))
        expect(int64ToBigInt(long)).toBe(integer)
      }),
    )
  })

  it('may be unsigned', () => {
    const long = Long.fromString(String(2n ** 64n - 1n), true)
    expect(int64ToNumber(long)).toBe(2 ** 64)
    expect(BigInt.asUintN(64, int64ToBigInt(long))).toBe(2n ** 64n - 1n)
  })

  it('is a plain number where it has few digits, and 0 where it is left out', () => {
    expect([int64ToNumber(-7), int64ToNumber(undefined), int64ToBigInt(-7)]).toEqual([-7, 0, -7n])
  })

  it('comes back from a number: exactly where it is safe, the end of its range where that is past it', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (number) => {
        expect(numberToInt64(number)).toBe(BigInt(number))
      }),
    )
    const [smallest, largest] = [-(2n ** 63n), 2n ** 63n - 1n]
    for (const end of [smallest, largest]) expect(numberToInt64(Number(end))).toBe(end)
    expect(numberToInt64(2 ** 64, false)).toBe(2n ** 64n - 1n)
    expect(numberToInt64(-2.9)).toBe(-2n)
  })
})
