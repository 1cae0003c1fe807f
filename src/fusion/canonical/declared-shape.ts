import type { Dimension, Model, TensorType, Value } from '../../graph/index.ts'
import type { Dim, FusionContext } from '../context.ts'

/**
 * Corrects the shapes that a model declares of what its nodes compute where they cannot be: another rank, or another size. Exporters write such
 * shapes for the rank that a view has in their framework. The runtime does not mind as long as it cannot infer the shape itself, but refuses the
 * model once the shape arithmetic in it has been folded. Gives how many there were.
 */
export function correctDeclaredShapes(model: Model, context: FusionContext): number {
  let count = 0
  for (const node of model.graph.walk()) {
    for (const output of node.outputs) {
      const type = output && correctedType(output, context)
      if (output === undefined || type === undefined) continue
      output.type = type
      count++
    }
  }
  return count
}

/** The type with the inferred shape; undefined where the declared one may hold, or there is none. */
function correctedType(value: Value, context: FusionContext): TensorType | undefined {
  const { type } = value
  if (type?.kind !== 'tensor' || type.shape === undefined) return undefined
  const declared = type.shape
  const shape = context.shape(value)
  if (shape === undefined) return undefined
  const holds =
    declared.length === shape.length &&
    declared.every((size, axis) => typeof size !== 'number' || typeof shape[axis] !== 'number' || size === shape[axis])
  return holds ? undefined : { ...type, shape: shape.map(sizeOf) }
}

/** Sizes only: a name may be meant for something else where the model declares another shape. */
const sizeOf = (dim: Dim): Dimension => (typeof dim === 'number' ? dim : undefined)
