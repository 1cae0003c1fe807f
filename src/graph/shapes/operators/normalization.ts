/** Normalisations, and the statistics that some give beside the result. */
import { type ElementType, elementTypeOfCode } from '../../element-type.ts'
import type { Dim } from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable } from '../operator.ts'
import type { TensorShape } from '../tensor-facts.ts'
import { sameAsFirst } from './elementwise.ts'

/** Y, then statistics of one dim each, the channels. */
const batchNormalization: Operator = (call) => {
  const [facts] = call.inputs
  const statistics = [3, 4, 3, 4].map(
    (index): TensorShape => ({ elementType: call.elementType(index), shape: call.shape(index) }),
  )
  return [facts && { elementType: facts.elementType, shape: facts.shape }, ...statistics]
}

/** The dims before the axis, and 1 for each normalised one. */
export const statisticsShape = (shape: readonly Dim[] | undefined, axis: number): readonly Dim[] | undefined => {
  if (shape === undefined) return undefined
  const first = axisOf(axis, shape.length)
  return shape.map((dim, index) => (index < first ? dim : 1))
}

/** Y, mean and inverse standard deviation, the latter two in the type in which they are computed. */
export const layerNormalization: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const stash: ElementType = elementTypeOfCode(call.node.int('stash_type', 1)) ?? 'float32'
  const statistics = { elementType: stash, shape: statisticsShape(shape, call.node.int('axis', -1)) }
  return [{ elementType, shape }, statistics, statistics]
}

/** Y and the inverse root mean square. Kept by ONNX Runtime in the standard domain, outside the standard. */
export const simplifiedLayerNormalization: Operator = (call: Call) => {
  const outputs = layerNormalization(call)
  return Array.isArray(outputs) ? outputs.slice(0, 2) : outputs
}

export const normalizations: OperatorTable = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: sameAsFirst,
  GroupNormalization: sameAsFirst,
  LayerNormalization: layerNormalization,
  RMSNormalization: sameAsFirst,
  SimplifiedLayerNormalization: simplifiedLayerNormalization,
}
