import type { ElementType, Model, Node, Value } from '../../graph/index.ts'
import type { KernelTable } from '../kernels/kernel-table.ts'
import { anyGainsKernel, gainsKernel, losesKernel } from '../kernels/kernels.ts'
import { appeared, olderOpsets } from '../legalise/lowering.ts'
import { declaredRank, whatKernelFailsOn } from '../placement/failing-kernel.ts'

type Older = (typeof olderOpsets)[number]
type Attributes = Readonly<Record<string, readonly string[]>>

/** Attributes that operators gained after an opset; where one is written, the node means something that opset cannot say. */
const newAttributes: Readonly<Record<Older, Attributes>> = {
  21: {
    Cast: ['round_mode'],
    CastLike: ['round_mode'],
    DequantizeLinear: ['output_dtype'],
    QuantizeLinear: ['precision'],
    Range: ['stash_type'],
    SpaceToDepth: ['mode'],
  },
  19: { DequantizeLinear: ['block_size'], QuantizeLinear: ['block_size', 'output_dtype'] },
}

/** Element types which operators may have gained after opset 19; some of them after opset 21. */
const newTypes: ReadonlySet<ElementType> = new Set([
  'bfloat16',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
  'int4',
  'uint4',
])

/** Operators that gained element types after opset 19 of which wasm has tensors, and those that they had before. */
const oldTypes: Readonly<Record<string, readonly ElementType[]>> = {
  IsInf: ['float32', 'float64'],
  ReduceMax: ['float16', 'float32', 'float64', 'int8', 'int32', 'int64', 'uint8', 'uint32', 'uint64'],
  ReduceMin: ['float16', 'float32', 'float64', 'int8', 'int32', 'int64', 'uint8', 'uint32', 'uint64'],
}

/** What GridSample called its modes before opset 20. */
const oldModes: Readonly<Record<string, string>> = { linear: 'bilinear', cubic: 'bicubic', nearest: 'nearest' }

/**
 * Reads a model under opset 21, or 19, where that means the same: the operators' schemas differ only in the element types they admit (onnx 1.23),
 * except for those listed here and in `appeared`, and for names. onnxruntime's WebGPU kernels are registered for the older versions of several of
 * them, so the number alone decides whether a MaxPool runs on the GPU. Left alone where nothing is gained; gives the reason where it cannot be.
 */
export function lowerOpset(model: Model, kernels: KernelTable): string | undefined {
  for (const opset of olderOpsets) {
    if (model.opset <= opset || !anyGainsKernel(kernels, model, opset)) continue
    const reason = whyNot(model, opset, kernels)
    if (reason !== undefined) return reason
    if (opset < 20 && model.opset >= 20) renameModes(model)
    model.opsets.set('', opset)
    model.markChanged()
  }
  return undefined
}

function whyNot(model: Model, opset: Older, kernels: KernelTable): string | undefined {
  if (model.functions.length > 0) return 'its functions have an operator set of their own'
  for (const node of model.graph.walk()) {
    if (node.domain !== '') continue
    const reason = whyNotNode(node, opset, kernels)
    if (reason !== undefined) return reason
  }
  return undefined
}

function whyNotNode(node: Node, opset: Older, kernels: KernelTable): string | undefined {
  if ((appeared[node.op] ?? 0) > opset) return `${node} is a ${node.op}, which opset ${opset} has not`
  if (node.op.endsWith('Pool') && node.opset >= 22 && node.int('ceil_mode', 0) !== 0) {
    return `${node} rounds its size up (ceil_mode), which opset 22 corrected`
  }
  const attribute = newAttributes[opset][node.op]?.find((name) => node.attributes.has(name))
  if (attribute !== undefined) return `${node} has the attribute ${attribute}, which opset ${opset} has not`
  const odd = [...node.inputs, ...node.outputs].find(isOfNewType)
  if (odd !== undefined) return `"${odd}" is ${odd.elementType}`
  const failing = whatKernelFailsOn(node, declaredRank)
  if (failing !== undefined && gainsKernel(kernels, node, opset)) {
    return `${node} would get a WebGPU kernel that fails on ${failing}`
  }
  if (opset >= 20) return undefined
  // Of 21 and 19, what is lost is lost by the second only.
  if (losesKernel(kernels, node, opset)) return `${node} would lose its kernel in opset ${opset}`
  const type = node.inputs[0]?.elementType
  if (node.op in oldTypes && (type === undefined || !oldTypes[node.op]?.includes(type)))
    return `${node} is of ${type ?? 'an unknown type'}, which opset ${opset} may not have`
  if (node.op !== 'GridSample') return undefined
  return node.inputs[0]?.shape?.length === 4 || oldModes[node.string('mode', 'linear')] === undefined
    ? undefined
    : `${node} is not known to be of images, which it is before opset 20`
}

function renameModes(model: Model): void {
  for (const node of model.graph.walk()) {
    if (!node.is('GridSample')) continue
    const mode = oldModes[node.string('mode', 'linear')]
    if (mode !== undefined) node.setAttribute('mode', mode)
  }
}

const isOfNewType = (value: Value | undefined): boolean =>
  value?.elementType !== undefined && newTypes.has(value.elementType)
