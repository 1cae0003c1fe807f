import { type ElementType, elementCount, Tensor } from '../../graph/index.ts'

/** A tensor of the same number everywhere: the scale (1) or bias (0) of a normalisation that has none. */
export const filled = (elementType: ElementType, dims: readonly number[], number: number): Tensor =>
  Tensor.fromNumbers(elementType, dims, new Float32Array(elementCount(dims)).fill(number))
