/** The distance from 1 to the next number, and the smallest number with all its digits. */
export const floatPrecision = {
  float16: { epsilon: 2 ** -10, smallest: 2 ** -14 },
  bfloat16: { epsilon: 2 ** -7, smallest: 2 ** -126 },
  float32: { epsilon: 2 ** -23, smallest: 2 ** -126 },
  float64: { epsilon: 2 ** -52, smallest: 2 ** -1022 },
} as const
