import type Long from 'long'

/** A 64-bit integer as protobufjs gives it, or as one may write it where it has few digits. */
export type Int64 = number | Long

/** Past 2⁵³ it loses precision. `Number` gives the same by way of its digits, which takes ten times as long. */
export const int64ToNumber = (integer: Int64 | null | undefined): number =>
  typeof integer === 'number' ? integer : (integer?.toNumber() ?? 0)

/** Keeps all its digits. */
export const int64ToBigInt = (integer: Int64): bigint =>
  typeof integer === 'number' ? BigInt(integer) : (BigInt(integer.high) << 32n) | BigInt(integer.low >>> 0)

const largest = 2n ** 63n - 1n
const largestUnsigned = 2n ** 64n - 1n

/**
 * The whole part of a number. The largest integer of 64 bits (as the end of a slice: to the last element) is one less than the number that
 * stands for it, which would wrap around to the smallest.
 */
export const numberToInt64 = (number: number, signed = true): bigint => {
  const whole = BigInt(Math.trunc(number))
  const most = signed ? largest : largestUnsigned
  return whole > most ? most : whole
}
