import type { ElementType, Node, Value } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import type { FusionContext } from '../context.ts'
import { hasKernel, type Provider } from '../kernels/kernels.ts'
import { whatKernelFailsOn } from './failing-kernel.ts'

/** Which input's element type decides on the kernel, where that is not the first. */
const dataInput: Readonly<Record<string, number>> = { Where: 1, 'com.microsoft::GatherBlockQuantized': 2 }

/** Operators whose operands have one type whatever the data's is; the table has them under float32. */
const fixedType: ReadonlySet<string> = new Set([
  'And',
  'Or',
  'Xor',
  'Not',
  'If',
  'Loop',
  'Scan',
  'ConstantOfShape',
  'NonMaxSuppression',
  'RandomNormal',
  'RandomUniform',
])

/** Types of which the runtime's web builds have no tensors on the GPU, whatever the operator. */
const neverOnGpu: ReadonlySet<ElementType> = new Set([
  'float64',
  'int8',
  'int16',
  'uint16',
  'uint64',
  'string',
  'bfloat16',
])

/** Why a node gets no kernel of that provider; undefined where it gets one. */
export function whyNoKernel(provider: Provider, node: Node, context: FusionContext): string | undefined {
  const { target } = node
  const value: Value | undefined = node.inputs[dataInput[target] ?? 0] ?? node.outputs[0]
  const type = fixedType.has(target) ? 'float32' : value && context.elementType(value)
  if (type === undefined) return `the element type of "${value}" is not known`
  const known = hasKernel(context.kernels, provider, target, node.opset, type)
  if (known === undefined) return `the table of kernels does not know ${target}`
  if (!known) return `no kernel for ${type} in opset ${node.opset}`
  const made = node.is('Cast') ? castTarget(node, context) : undefined
  if (provider === 'webgpu' && made !== undefined && neverOnGpu.has(made)) return `no kernel that makes ${made}`
  return whyDeclined(provider, node, context)
}

/** Operators that get a kernel for int64 in a session that captures its graph; sessions of onnxruntime-web 1.30 were asked for each. */
const int64WhenCaptured: ReadonlySet<string> = new Set(
  `Add Cast Clip Concat Div Equal Expand Gather Greater GreaterOrEqual Less LessOrEqual Max Min Mul Range ReduceSum Reshape Sub Tile
  Unsqueeze Where`.split(/\s+/),
)

/** Whether a node that has no WebGPU kernel gets one when the session captures its graph, and takes int64 as int32. */
export function hasKernelWhenCaptured(node: Node, context: Pick<FusionContext, 'elementType'>): boolean {
  const value = node.inputs[dataInput[node.target] ?? 0] ?? node.outputs[0]
  return int64WhenCaptured.has(node.target) && value !== undefined && context.elementType(value) === 'int64'
}

/** Kernels that turn down some forms of their operator. */
function whyDeclined(provider: Provider, node: Node, context: FusionContext): string | undefined {
  const [, second] = node.inputs
  if (provider === 'webgpu' && node.is('Pow') && second !== undefined) {
    const type = context.elementType(second)
    if (type === 'int64' || (type !== undefined && neverOnGpu.has(type))) return `no kernel with an exponent of ${type}`
  }
  if (provider === 'webgpu' && node.target === 'com.microsoft::Attention') {
    if (node.inputs[3] !== undefined || node.inputs[4] !== undefined) return 'no kernel with a mask or a past'
  }
  if (provider !== 'webgpu') return undefined
  const fails = whatKernelFailsOn(node, (value) => value && context.shape(value)?.length)
  return fails === undefined ? undefined : `no kernel for ${fails}`
}
