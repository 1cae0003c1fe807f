import { type ElementType, elementTypeOfCode, type Model } from '../../graph/index.ts'

/** What makes a model coarser than float32, with the relative error that its rounding alone may leave. */
const half = 2e-2
const single = 1e-4
const double = 1e-9

const quantizing = /Quantize|Integer$|^QLinear|^Float8|MatMulNBits/

/**
 * The largest relative error, to an output's largest magnitude, that passes: 1e-4 for float32 models, 2e-2 for those that compute anywhere
 * in float16 or bfloat16 or quantise (where a rounding that flips is a whole step), 1e-9 for those wholly in float64.
 */
export function defaultTolerance(model: Model): number {
  const types = new Set<ElementType>()
  for (const { elementType } of [...model.graph.inputs, ...model.graph.initializers]) {
    if (elementType !== undefined) types.add(elementType)
  }
  for (const node of model.graph.walk()) {
    if (quantizing.test(node.op)) return half
    const to = node.is('Cast') ? elementTypeOfCode(node.int('to', 0)) : undefined
    for (const type of [to, node.constantOutput?.elementType, ...node.outputs.map((output) => output?.elementType)]) {
      if (type !== undefined) types.add(type)
    }
  }
  if (types.has('float16') || types.has('bfloat16')) return half
  return types.has('float64') && !types.has('float32') ? double : single
}
