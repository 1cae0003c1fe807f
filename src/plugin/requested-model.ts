import { type Qdq, type WeightOnly, weightOnlyQuantization } from '../fusion/index.ts'
import { int32Inputs, type Model, pinDimensions } from '../graph/index.ts'
import type { Int64Inputs } from './options.ts'

/** What is asked of a model besides being fused. */
export interface ModelRequest {
  readonly dimensions: Readonly<Record<string, number>>
  readonly int64Inputs: Int64Inputs
  readonly qdq: Qdq
}

/** A model as it is asked for, before it is fused. */
export interface RequestedModel {
  /** What is fused, and what the fused model is compared with: `fuse` changes neither sizes nor types. */
  readonly original: Model
  /** The same with its activations quantised, where they are no longer. */
  readonly quantized: Model
  readonly weightOnly: WeightOnly | undefined
}

/** Fixes sizes, narrows inputs, and takes the quantisation of activations out, as asked for. Throws ModelError as `pinDimensions` does. */
export function requestedModel(model: Model, { dimensions, int64Inputs, qdq }: ModelRequest): RequestedModel {
  const pinned = pinDimensions(model, dimensions)
  const quantized = int64Inputs === 'int32' ? int32Inputs(pinned) : pinned
  const weightOnly = qdq === 'weights' ? weightOnlyQuantization(quantized) : undefined
  return { original: weightOnly?.model ?? quantized, quantized, weightOnly }
}
