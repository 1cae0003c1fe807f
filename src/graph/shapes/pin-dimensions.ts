import { clone } from '../clone.ts'
import type { Model } from '../model.ts'
import type { Dimension, TensorType, Value } from '../value.ts'
import { checkDimensions } from './dimensions.ts'
import { parseDim, substitute } from './expression.ts'
import { inferShapes, type Shapes, toDimension } from './infer.ts'

/**
 * A copy of the model in which symbolic dimensions have the given sizes, in the types of its inputs and of every value that has a type,
 * outputs above all. A dimension is addressed by its name, or as `input:axis` (`x:0`) when it has none. Without dimensions, the model itself.
 *
 * Throws ModelError `unknown-dimension` for a name that no input has, and `shape-mismatch` where the model cannot run with these sizes.
 */
export function pinDimensions(model: Model, dimensions: Readonly<Record<string, number>>): Model {
  const pins = checkDimensions(model, dimensions)
  if (pins.size === 0) return model
  const copy = clone(model)
  const shapes = inferShapes(copy, { dimensions })
  const retype = (value: Value): void => {
    const type = pinnedType(value, shapes, pins)
    if (type !== undefined) value.type = type
  }
  for (const graph of copy.graph.walkGraphs()) {
    for (const input of graph.inputs) retype(input)
    for (const node of graph.nodes) for (const output of node.outputs) if (output !== undefined) retype(output)
  }
  return copy
}

/** The type with what is now known; undefined for a value that had none and is no output. */
function pinnedType(value: Value, shapes: Shapes, pins: ReadonlyMap<string, number>): TensorType | undefined {
  const { type } = value
  if (type?.kind !== 'tensor' && !(type === undefined && value.isOutput)) return undefined
  const facts = shapes.factsOf(value)
  const elementType = type?.elementType ?? facts?.elementType
  if (elementType === undefined) return undefined
  const declared = type?.shape
  const shape = facts?.shape?.map((dim, axis) => toDimension(dim) ?? pinnedName(declared?.[axis], pins))
  return { kind: 'tensor', elementType, shape: shape ?? declared?.map((dimension) => pinnedName(dimension, pins)) }
}

/** A dimension as the model declares it, with the sizes put in for its names. */
function pinnedName(dimension: Dimension, pins: ReadonlyMap<string, number>): Dimension {
  const dim = typeof dimension === 'string' ? parseDim(dimension) : undefined
  return dim === undefined ? dimension : toDimension(substitute(dim, pins))
}
