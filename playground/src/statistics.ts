import type { Outputs } from './benchmark.ts'

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export const spread = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return { min: at(0), median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, max: at(sorted.length - 1) }
}

/** How often the second goes into the first, pair by pair. */
export const ratios = (first: readonly number[], second: readonly number[]): number[] =>
  first.map((value, index) => value / (second[index] ?? Number.NaN))

export interface Difference {
  /** max |a − b| over all elements of all outputs. */
  readonly absolute: number
  /** The same, as a part of the largest magnitude of the output it occurs in; the largest over the outputs. */
  readonly relative: number
}

export const difference = (expected: Outputs, actual: Outputs): Difference => {
  let absolute = 0
  let relative = 0
  for (const [name, values] of Object.entries(expected)) {
    const others = actual[name] ?? []
    let error = values.length === others.length ? 0 : Number.NaN
    let magnitude = 0
    for (let index = 0; index < values.length; index++) {
      const value = Number(values[index])
      error = Math.max(error, Math.abs(value - Number(others[index])))
      magnitude = Math.max(magnitude, Math.abs(value))
    }
    absolute = Math.max(absolute, error)
    relative = Math.max(relative, magnitude === 0 ? error : error / magnitude)
  }
  return { absolute, relative }
}
