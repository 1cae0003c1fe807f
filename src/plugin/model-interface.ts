import type { Graph, Model, Tensor, Value } from '../graph/index.ts'
import type { NamedTensorType } from '../runtime/types.ts'

/** What a caller feeds to a model and gets from it. */
export interface ModelInterface {
  readonly inputs: readonly NamedTensorType[]
  readonly outputs: readonly NamedTensorType[]
}

/** The inputs without a default value, as onnxruntime-web lists them, and the outputs. */
export const interfaceOf = ({ graph }: Model): ModelInterface => ({
  inputs: graph.inputs.filter(({ initializer }) => initializer === undefined).map(namedType),
  outputs: graph.outputs.map(namedType),
})

const namedType = ({ name, type }: Value): NamedTensorType => {
  if (type?.kind === 'tensor') {
    return { name, type: type.elementType, shape: type.shape?.map((dimension) => dimension ?? null) ?? null }
  }
  return { name, type: type === undefined ? 'unknown' : opaqueKind(type.proto), shape: null }
}

const opaqueKind = (proto: object): string =>
  ['sequence', 'map', 'optional', 'sparseTensor'].find(
    (kind) => `${kind}Type` in proto && Reflect.get(proto, `${kind}Type`) != null,
  ) ?? 'unknown'

/** The WebGPU features without which the model does not run there. */
export const webgpuFeatures = ({ graph }: Model): string[] => (holdsFloat16(graph) ? ['shader-f16'] : [])

const castTo = { float16: 10 }

/** Whether float16 occurs anywhere, as far as the model says: in an input, a constant, a declared type or a cast. */
const holdsFloat16 = (graph: Graph): boolean => {
  const isHalf = (held: Value | Tensor | undefined) => held?.elementType === 'float16'
  if (graph.inputs.some(isHalf) || [...graph.initializers].some(isHalf)) return true
  for (const node of graph.walk()) {
    if (node.is('Cast') && node.attributes.get('to')?.int === castTo.float16) return true
    if (node.outputs.some(isHalf) || [...node.attributes.values()].some(({ tensor }) => isHalf(tensor))) return true
    if (node.subgraphs.some((nested) => [...nested.initializers].some(isHalf))) return true
  }
  return false
}
