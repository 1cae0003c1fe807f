import type { ElementType, Model, Value } from '../../graph/index.ts'
import type { KernelTable } from '../kernels/kernel-table.ts'
import { gainsKernel } from '../kernels/kernels.ts'
import { bestOpset, newOperators } from '../legalise/lowering.ts'

/** Attributes that operators gained after opset 21; where one is written, the node means something opset 21 cannot say. */
const newAttributes: Readonly<Record<string, readonly string[]>> = {
  Cast: ['round_mode'],
  CastLike: ['round_mode'],
  DequantizeLinear: ['output_dtype'],
  QuantizeLinear: ['precision'],
  Range: ['stash_type'],
  SpaceToDepth: ['mode'],
}

/** Element types which operators may have gained after opset 21. */
const newTypes: ReadonlySet<ElementType> = new Set([
  'bfloat16',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
  'int4',
  'uint4',
])

/**
 * Reads a model of opset 22 or later under opset 21, where that means the same: the operators' schemas differ only in the element types
 * they admit (onnx 1.23), except for those listed above. onnxruntime's WebGPU kernels are registered for the older versions of several of
 * them, so the number alone decides whether a MaxPool runs on the GPU. Left alone where nothing is gained; gives the reason where it cannot be.
 */
export function lowerOpset(model: Model, kernels: KernelTable): string | undefined {
  if (model.opset <= bestOpset || !gainsKernel(kernels, model, bestOpset)) return undefined
  if (model.functions.length > 0) return 'its functions have an operator set of their own'
  for (const node of model.graph.walk()) {
    if (node.domain !== '') continue
    if (newOperators.has(node.op)) return `${node} is a ${node.op}, which opset 21 has not`
    if (node.op.endsWith('Pool') && node.int('ceil_mode', 0) !== 0) {
      return `${node} rounds its size up (ceil_mode), which opset 22 corrected`
    }
    const attribute = newAttributes[node.op]?.find((name) => node.attributes.has(name))
    if (attribute !== undefined) return `${node} has the attribute ${attribute}, which opset 21 has not`
    const odd = [...node.inputs, ...node.outputs].find(isOfNewType)
    if (odd !== undefined) return `"${odd}" is ${odd.elementType}`
  }
  model.opsets.set('', bestOpset)
  model.markChanged()
  return undefined
}

const isOfNewType = (value: Value | undefined): boolean =>
  value?.elementType !== undefined && newTypes.has(value.elementType)
