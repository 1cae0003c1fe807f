import type { Model, Value } from '../graph/index.ts'
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
