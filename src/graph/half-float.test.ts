import { describe, expect, it } from 'vitest'
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half-float.ts'

/** The definition of an IEEE 754 binary format, from its bits as text. */
function ieee(bits: number, exponentBits: number): number {
  const text = bits.toString(2).padStart(16, '0')
  const sign = text[0] === '1' ? -1 : 1
  const exponent = Number.parseInt(text.slice(1, 1 + exponentBits), 2)
  const fraction = text.slice(1 + exponentBits)
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return fraction.includes('1') ? Number.NaN : sign * Number.POSITIVE_INFINITY
  let significand = exponent === 0 ? 0 : 1
  for (const [place, bit] of [...fraction].entries()) if (bit === '1') significand += 2 ** -(place + 1)
  return sign * significand * 2 ** (Math.max(exponent, 1) - bias)
}

/** The float64 just above or below a positive one. */
function neighbour(value: number, step: 1n | -1n): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + step)
  return view.getFloat64(0)
}

describe.each([
  { name: 'float16', exponentBits: 5, encode: encodeFloat16, decode: decodeFloat16, infinity: 0x7c00 },
  { name: 'bfloat16', exponentBits: 8, encode: encodeBfloat16, decode: decodeBfloat16, infinity: 0x7f80 },
])('$name', ({ exponentBits, encode, decode, infinity }) => {
  it('decodes all 65,536 patterns as IEEE 754 defines them', () => {
    const wrong: number[] = []
    for (let bits = 0; bits < 0x10000; bits++) {
      if (!Object.is(decode(bits), ieee(bits, exponentBits))) wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  it('encodes every value it can hold to its own pattern, and NaN to a NaN', () => {
    const wrong: number[] = []
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = ieee(bits, exponentBits)
      if (Number.isNaN(value) ? !Number.isNaN(decode(encode(value))) : encode(value) !== bits) wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  it('rounds once, from float64, to nearest and ties to even, between any two neighbours', () => {
    const wrong: string[] = []
    for (let lower = 0; lower < infinity; lower++) {
      const upper = lower + 1
      const low = ieee(lower, exponentBits)
      // Past the largest number the next step would be where infinity stands.
      const high = upper === infinity ? low + (low - ieee(lower - 1, exponentBits)) : ieee(upper, exponentBits)
      const middle = (low + high) / 2
      const expected: [number, number][] = [
        [middle, lower % 2 === 0 ? lower : upper],
        [neighbour(middle, -1n), lower],
        [neighbour(middle, 1n), upper],
      ]
      for (const [value, bits] of expected) {
        if (encode(value) !== bits) wrong.push(`${value} → ${encode(value)}, not ${bits}`)
        if (encode(-value) !== (bits | 0x8000)) wrong.push(`${-value} → ${encode(-value)}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('becomes infinite far past its range, and zero far below it, with the sign', () => {
    expect(encode(1e300)).toBe(infinity)
    expect(encode(-1e300)).toBe(infinity | 0x8000)
    expect(encode(Number.MIN_VALUE)).toBe(0)
    expect(encode(-Number.MIN_VALUE)).toBe(0x8000)
    expect(encode(-0)).toBe(0x8000)
  })
})
