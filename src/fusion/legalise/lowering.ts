import type { ElementType, GraphBuilder, Node, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Fusion } from '../define-fusion.ts'
import { anyGainsKernel, hasKernel } from '../kernels/kernels.ts'
import { isOnGpu } from './on-gpu.ts'

/** An operator without a WebGPU kernel, written in operators that have one. */
export interface Lowering {
  name: string
  /** The operator of the ONNX standard that is replaced. */
  op: string
  /** The operators that take its place, each of which has to have a kernel. */
  form: readonly string[]
  lower(
    root: Node,
    graph: GraphBuilder,
    context: FusionContext,
  ): Value | readonly (Value | undefined)[] | string | undefined
}

/** Operators whose operands have one type whatever the data's is; the kernel table has them under float32. */
const fixedType: ReadonlySet<string> = new Set(['And', 'Or', 'Xor', 'Not', 'If'])

/** Whether an operator runs on WebGPU, and on wasm for the fallback, as that opset defines it. */
export const runsOnWeb = (op: string, opset: number, type: ElementType, context: FusionContext): boolean => {
  const known = fixedType.has(op) ? 'float32' : type
  if (hasKernel(context.kernels, 'webgpu', op, opset, known) !== true) return false
  return context.target === 'webgpu' || hasKernel(context.kernels, 'wasm', op, opset, known) === true
}

/** Integers that WebGPU has tensors of. */
const integers: ReadonlySet<ElementType> = new Set(['int32', 'uint32', 'uint8'])

/** Why one of the operators does not run on data of that type. */
export function missingKernel(
  operators: readonly string[],
  { opset }: Node,
  type: ElementType,
  context: FusionContext,
): string | undefined {
  const missing = operators.find((operator) => !runsOnWeb(operator, opset, type, context))
  return missing === undefined ? undefined : `${missing} has no WebGPU kernel for ${type} in opset ${opset} either`
}

/**
 * The opsets that a model may be read under in place of its own, the best first: in each of them some operators have WebGPU kernels that they lack in
 * later ones.
 */
export const olderOpsets = [21, 19] as const

/** Operators that appeared later, or that meant something else before, and since when: they keep a model from the opsets before. */
export const appeared: Readonly<Record<string, number>> = {
  AffineGrid: 20,
  Attention: 23,
  BitCast: 26,
  CausalConvWithState: 27,
  CumProd: 26,
  DFT: 20,
  Gelu: 20,
  GroupNormalization: 21,
  ImageDecoder: 20,
  LinearAttention: 27,
  RegexFullMatch: 20,
  RMSNormalization: 23,
  RotaryEmbedding: 23,
  StringConcat: 20,
  StringSplit: 20,
  SwiGLU: 28,
  Swish: 24,
  TensorScatter: 24,
}

/** Whether an operator keeps a model from an opset in which others have kernels. */
const isInTheWay = (node: Node, { kernels }: FusionContext): boolean =>
  olderOpsets.some((opset) => opset < (appeared[node.op] ?? 0) && anyGainsKernel(kernels, node.graph.model, opset))

/**
 * A fusion that replaces an operator only where it has no kernel for its element type, or keeps the model from an opset in which others have
 * one, while everything in its lowered form has. An operator that the table does not know at all is a function of the standard: the runtime
 * would take it apart in its own way. Within `target: 'onnx'` nothing is lowered.
 */
export const defineLowering = ({ name, op, form, lower }: Lowering): Fusion =>
  defineFusion({
    name,
    roots: [op],
    rewrite(root, graph, context) {
      if (context.target === 'onnx') return undefined
      const [x] = root.inputs
      const type = fixedType.has(op) ? 'float32' : x && context.elementType(x)
      if (type === undefined) return `the element type of "${x}" is not known`
      // Integers that the CPU has computed are sizes for the most part, and better off there.
      if (x !== undefined && integers.has(type) && !isOnGpu(x, context)) return undefined
      if (runsOnWeb(op, root.opset, type, context) && !isInTheWay(root, context)) return undefined
      return missingKernel(form, root, type, context) ?? lower(root, graph, context)
    },
  })
