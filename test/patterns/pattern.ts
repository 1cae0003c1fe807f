import type { FuseOptions } from '../../src/fusion/index.ts'
import { type BuildOptions, type GraphBuilder, Tensor } from '../../src/graph/index.ts'
import type { Random } from '../support/run-model.ts'

/** A small model of one thing that exporters write out, and what must be left of it. */
export interface Pattern {
  /** Unique; the key of the peers' columns in docs/peers.json. */
  readonly name: string
  readonly build: (graph: GraphBuilder, weights: Weights) => void
  readonly model?: BuildOptions
  readonly options?: FuseOptions
  /** The operators of the fused graph, in any order; `domain::Op` outside the ONNX standard. */
  readonly expected: readonly string[]
  /** The number of initializers, where that is the point. */
  readonly initializers?: number
  /** Why these operators are the best for a WebGPU session, where the pattern has a form of fewer. */
  readonly reason?: string
  /** The fusion is still to come: the operators are others, and the results the same. */
  readonly done?: false
}

/** Seeded constants: normal, or between ½ and 2 for what is divided by. */
export class Weights {
  readonly #random: Random
  constructor(random: Random) {
    this.#random = random
  }

  normal(...dims: readonly number[]): Tensor {
    return this.#random.tensor(dims)
  }

  positive(...dims: readonly number[]): Tensor {
    return this.#random.tensor(dims, 'float32', [0.5, 2])
  }

  /** Rows × columns, scaled so that what is multiplied by it keeps its size, however many follow one another. */
  matrix(rows: number, columns: number): Tensor {
    return this.#scaled([rows, columns], rows)
  }

  /** A convolution's weight, scaled alike. */
  kernel(...dims: readonly number[]): Tensor {
    const [, ...fan] = dims
    return this.#scaled(
      dims,
      fan.reduce((product, dim) => product * dim, 1),
    )
  }

  #scaled(dims: readonly number[], fan: number): Tensor {
    const numbers = this.normal(...dims).toNumbers()
    return Tensor.fromNumbers(
      'float32',
      dims,
      numbers.map((number) => number / Math.sqrt(fan)),
    )
  }

  /** γ, β, μ, σ² of a batch norm, or as many as another normalisation has. */
  batchNorm(channels: number): Tensor[] {
    return [this.positive(channels), this.normal(channels), this.normal(channels), this.positive(channels)]
  }
}
