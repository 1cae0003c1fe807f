/** float16 (IEEE 754 binary16) and bfloat16, stored as 16-bit patterns, to and from numbers; rounding is to nearest, ties to even. */

const float32 = new Float32Array(1)
const bits32 = new Uint32Array(float32.buffer)

/** The number that a binary16 pattern stands for. */
export function decodeFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The binary16 pattern nearest to a number; infinity past 65,504 (rounded once, from float64). */
export function encodeFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 2 ** -30)))
  const steps = roundHalfToEven(magnitude / 2 ** (exponent - 10))
  // A carry out of the fraction, or log2's own rounding, moves into the exponent by plain addition.
  return sign | (((exponent + 14) << 10) + steps)
}

const roundHalfToEven = (value: number): number => {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}

/** The number that a bfloat16 pattern stands for. */
export function decodeBfloat16(bits: number): number {
  bits32[0] = bits << 16
  return float32[0] as number
}

/** The bfloat16 pattern nearest to a number. */
export function encodeBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  float32[0] = value
  const bits = bits32[0] as number
  // Rounding to float32 first may land exactly half-way between two bfloat16: let the float64 decide.
  const rest = bits & 0xffff
  const upper = bits >>> 16
  if (rest !== 0x8000) return (upper + (rest > 0x8000 ? 1 : 0)) & 0xffff
  const exact = Math.abs(value) - Math.abs(float32[0] as number)
  if (exact !== 0) return (upper + (exact > 0 ? 1 : 0)) & 0xffff
  return (upper + (upper & 1)) & 0xffff
}
