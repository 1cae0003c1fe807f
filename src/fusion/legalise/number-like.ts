import { type ElementType, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** Makes scalars of the element type of a value. */
export const numberLike = (x: Value, context: FusionContext): ((number: number) => Tensor) => {
  const type: ElementType = context.elementType(x) ?? 'float32'
  return (number) => Tensor.fromNumbers(type, [], [number])
}
