import { Tensor } from 'unplugin-onnx'

/** Seeded weights: the same on every machine. */
export class Weights {
  #state: number
  constructor(seed: number) {
    this.#state = seed
  }

  /** Uniform in ±scale. */
  tensor(dims: readonly number[], scale = 1): Tensor {
    return this.around(0, dims, scale)
  }

  /** Uniform in centre ± scale. */
  around(centre: number, dims: readonly number[], scale = 0.2): Tensor {
    const count = dims.reduce((product, size) => product * size, 1)
    return Tensor.fromNumbers(
      'float32',
      dims,
      Array.from({ length: count }, () => centre + scale * (2 * this.#uniform() - 1)),
    )
  }

  /** Mulberry32. */
  #uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
