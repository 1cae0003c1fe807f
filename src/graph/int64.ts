import type Long from 'long'

/** A 64-bit integer as protobufjs gives it, or as one may write it where it has few digits. */
export type Int64 = number | Long

/** Past 2⁵³ it loses precision. `Number` gives the same by way of its digits, which takes ten times as long. */
export const int64ToNumber = (integer: Int64 | null | undefined): number =>
  typeof integer === 'number' ? integer : (integer?.toNumber() ?? 0)

/** Keeps all its digits. */
export const int64ToBigInt = (integer: Int64): bigint =>
  typeof integer === 'number' ? BigInt(integer) : (BigInt(integer.high) << 32n) | BigInt(integer.low >>> 0)
