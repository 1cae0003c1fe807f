import { type BuildOptions, type GraphBuilder, Tensor } from '../../src/graph/index.ts'
import type { Weights } from '../patterns/pattern.ts'
import type { Tensors } from '../support/run-model.ts'

/** A model that looks like something to fuse and is not, or that fuses into something other than it seems. */
export interface Trap {
  readonly name: string
  readonly build: (graph: GraphBuilder, weights: Weights) => void
  readonly model?: BuildOptions
  /** Operators of the fused graph, in any order. Left out where only the results count. */
  readonly left?: readonly string[]
  readonly feeds?: Tensors
}

/** Numbers in which the special ones are, for inputs of eight. */
export const special = Tensor.fromNumbers('float32', [8], [Number.NaN, Infinity, -Infinity, -0, 0, 1, -7, 7])
