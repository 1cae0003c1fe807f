/** Pseudo-random numbers that are the same on every machine. */
export interface SeededRandom {
  /** From `low` up to `high`. */
  uniform(low: number, high: number): number
  /** Normally distributed, mean 0. */
  normal(standardDeviation: number): number
  /** As many numbers as a tensor of these dims has elements. */
  fill(dims: readonly number[], next: () => number): Float32Array
}

/** Mulberry32 for uniform numbers, Box–Muller for normal ones. */
export const seededRandom = (seed: number): SeededRandom => {
  let state = seed >>> 0
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit())
  return {
    uniform: (low, high) => low + (high - low) * unit(),
    normal: (standardDeviation) => standardDeviation * normal(),
    fill: (dims, next) => Float32Array.from({ length: dims.reduce((product, size) => product * size, 1) }, next),
  }
}
