import protobuf from 'protobufjs/minimal.js'
import { Attribute } from './attribute.ts'
import { elementTypeOfCode } from './element-type.ts'
import { ModelError } from './errors.ts'
import type { Graph } from './graph.ts'
import { int64ToNumber } from './int64.ts'
import { Model } from './model.ts'
import type { Node } from './node.ts'
import { onnx } from './proto/onnx.js'
import { recogniseWrongFile } from './recognise-wrong-file.ts'
import { type ExternalDataReader, Tensor } from './tensor.ts'
import { sortTopologically } from './topological-order.ts'
import { type Dimension, Value, type ValueType } from './value.ts'

type GraphProto = onnx.GraphProto.$Properties
type NodeProto = onnx.NodeProto.$Properties
type AttributeProto = onnx.AttributeProto.$Properties
type ValueInfoProto = onnx.ValueInfoProto.$Properties

/** The newest format and standard operator set of the schema this version was built with (ONNX 1.23.2). */
export const newestIrVersion = 14
export const newestOpset = 28

export interface DecodeOptions {
  /** Gives the bytes of tensors stored outside the file. Without it they are refused with `external-data-missing`. */
  readExternalData?: ExternalDataReader
}

/**
 * Reads an ONNX model. Weights stay views of `bytes`, which must not be written to afterwards; fields of later releases are kept.
 * Throws ModelError, with a code, for anything that is not a well-formed model.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  recogniseWrongFile(bytes)
  const message = decodeMessage(bytes)
  checkVersions(message)
  const { graph, opsetImport, functions, ...proto } = message
  if (graph === undefined || graph === null) throw notOnnx('It has no graph.')
  const { name, input, output, node, initializer, valueInfo, sparseInitializer, ...graphProto } = graph
  const model = new Model({
    proto,
    opsets: (opsetImport ?? []).map(({ domain, version }) => [normalDomain(domain), int64ToNumber(version)] as const),
    functions: functions ?? [],
    graphName: name ?? '',
    graphProto: { ...graphProto, ...(sparseInitializer?.length ? { sparseInitializer } : {}) },
    source: bytes,
  })
  // Files of IR version 1 and 2 carry no opset imports: they are read under the first.
  if (model.opsets.size === 0) model.opsets.set('', 1)
  const readExternal = options.readExternalData ?? refuseExternalData
  fillGraph(model.graph, graph, new Scope(undefined), readExternal)
  model.markUnchanged()
  return model
}

const notOnnx = (problem: string, cause?: unknown): ModelError =>
  new ModelError('not-onnx', `This is not an ONNX model. ${problem}`, {
    remedy: 'Check that the file is the .onnx file you mean and that it was downloaded whole.',
    cause,
  })

const refuseExternalData: ExternalDataReader = ({ location }) => {
  throw new ModelError('external-data-missing', `The model keeps weights in "${location}", which was not given.`, {
    remedy: 'Pass readExternalData, or place that file beside the model.',
  })
}

/** 2 GiB: protobuf's own limit for a message. */
const largestMessage = 2 ** 31 - 1

function decodeMessage(bytes: Uint8Array): onnx.ModelProto {
  if (bytes.length > largestMessage) {
    throw new ModelError('too-large', 'The model is larger than 2 GiB, which protobuf does not permit.', {
      remedy: 'Save it with external data.',
    })
  }
  // A plain Uint8Array view: a Buffer's own methods would make every slice a Buffer too.
  const reader = protobuf.Reader.create(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  reader.discardUnknown = false
  try {
    return onnx.ModelProto.decode(reader)
  } catch (cause) {
    if (cause instanceof RangeError && looksLikeModel(bytes)) {
      throw new ModelError('truncated', `The file ends in the middle of the model, after ${bytes.length} bytes.`, {
        remedy: 'Download or export it again.',
        cause,
      })
    }
    throw notOnnx('Its bytes are not a protobuf message of the ONNX schema.', cause)
  }
}

/** Every exporter writes field 1, the IR version, first. */
const looksLikeModel = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x08 && (bytes[1] ?? 0) >= 1 && (bytes[1] ?? 0) <= newestIrVersion

function checkVersions(message: onnx.ModelProto): void {
  const irVersion = int64ToNumber(message.irVersion)
  if (irVersion < 1) throw notOnnx('It names no IR version.')
  if (irVersion > newestIrVersion) {
    throw new ModelError(
      'unsupported-ir-version',
      `The model has IR version ${irVersion}; the newest known is ${newestIrVersion}.`,
      { remedy: 'Update unplugin-onnx, or export the model for an older ONNX release.' },
    )
  }
  for (const { domain, version } of message.opsetImport ?? []) {
    if (normalDomain(domain) !== '' || int64ToNumber(version) <= newestOpset) continue
    throw new ModelError('unsupported-opset', `The model has opset ${version}; the newest known is ${newestOpset}.`, {
      remedy: 'Update unplugin-onnx, or export the model with an older opset.',
    })
  }
}

export const normalDomain = (domain: string | null | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''))

/** The names visible in a graph: its own, then those of the graphs around it. */
export class Scope {
  readonly #outer: Scope | undefined
  readonly #values = new Map<string, Value>()

  constructor(outer: Scope | undefined) {
    this.#outer = outer
  }

  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name)
  }

  getOwn(name: string): Value | undefined {
    return this.#values.get(name)
  }

  define(name: string, value: Value): void {
    this.#values.set(name, value)
  }

  defineOnce(name: string, value: Value, what: string): void {
    if (this.#values.has(name)) {
      throw new ModelError('duplicate-name', `Two values of a graph are named "${name}".`, {
        node: value.producer?.toString(),
        remedy: `Rename the ${what}: ONNX gives every value of a graph a name of its own.`,
      })
    }
    this.#values.set(name, value)
  }
}

function fillGraph(graph: Graph, proto: GraphProto, scope: Scope, readExternal: ExternalDataReader): void {
  const infos = new Map<string, ValueInfoProto>()
  for (const info of [...(proto.valueInfo ?? []), ...(proto.output ?? [])]) infos.set(info.name ?? '', info)
  for (const info of proto.input ?? []) {
    const name = info.name ?? ''
    scope.defineOnce(name, graph.addInput(name, decodeType(info.type), info), 'input')
  }
  for (const initializer of proto.initializer ?? []) {
    const name = initializer.name ?? ''
    const tensor = Tensor.fromProto(initializer, readExternal)
    const input = scope.getOwn(name)
    if (input?.isInput && input.initializer === undefined) graph.setDefault(input, tensor)
    else scope.defineOnce(name, graph.addInitializer(name, tensor, infos.get(name)), 'initializer')
  }
  for (const { values } of proto.sparseInitializer ?? []) {
    const name = values?.name ?? ''
    if (scope.getOwn(name)?.isInput) continue
    scope.defineOnce(name, new Value(graph, name), 'sparse initializer')
    graph.model.claimName(name)
  }
  decodeNodes(graph, proto.node ?? [], scope, readExternal, infos)
  sortTopologically(graph)
  for (const info of proto.output ?? []) {
    const name = info.name ?? ''
    const value = scope.get(name)
    if (value === undefined) {
      throw new ModelError('dangling-name', `The graph's output "${name}" is computed by no node.`, {
        remedy: 'The model is incomplete: export it again.',
      })
    }
    graph.addOutput(value)
  }
}

/** Appends nodes to a graph: outputs first, so that the order in the file does not matter, then inputs and nested graphs. */
export function decodeNodes(
  graph: Graph,
  protos: readonly NodeProto[],
  scope: Scope,
  readExternal: ExternalDataReader,
  infos: ReadonlyMap<string, ValueInfoProto> = new Map(),
): Node[] {
  const nodes = protos.map((proto) => {
    const outputs = (proto.output ?? []).map((name) => name || undefined)
    const { input, output, attribute, opType, domain, name, overload, ...rest } = proto
    const node = graph.append({
      op: opType ?? '',
      domain: normalDomain(domain),
      name: name ?? '',
      overload: overload ?? '',
      inputs: [],
      outputs,
      types: outputs.map((name) => (name === undefined ? undefined : decodeType(infos.get(name)?.type))),
      infos: outputs.map((name) => (name === undefined ? undefined : infos.get(name))),
      proto: rest,
    })
    for (const value of node.outputs) if (value !== undefined) scope.defineOnce(value.name, value, 'output')
    return node
  })
  nodes.forEach((node, index) => {
    const { input, attribute } = protos[index] ?? {}
    input?.forEach((name, place) => {
      node.setInput(place, name === '' ? undefined : lookUp(name, scope, node))
    })
    for (const item of attribute ?? []) {
      const decoded = decodeAttribute(item, graph, scope, readExternal)
      node.setAttribute(decoded.name, decoded)
    }
  })
  return nodes
}

function lookUp(name: string, scope: Scope, node: Node): Value {
  const value = scope.get(name)
  if (value !== undefined) return value
  throw new ModelError('dangling-name', `The input "${name}" is computed by no node.`, {
    node: node.toString(),
    remedy: 'The model is incomplete: export it again.',
  })
}

function decodeAttribute(
  proto: AttributeProto,
  graph: Graph,
  scope: Scope,
  readExternal: ExternalDataReader,
): Attribute {
  const tensor = proto.t ? Tensor.fromProto(proto.t, readExternal) : undefined
  const graphs = [...(proto.g ? [proto.g] : []), ...(proto.graphs ?? [])].map((nested) => {
    const { name, input, output, node, initializer, valueInfo, sparseInitializer, ...rest } = nested
    const inner = graph.nested(name ?? '', { ...rest, ...(sparseInitializer?.length ? { sparseInitializer } : {}) })
    fillGraph(inner, nested, new Scope(scope), readExternal)
    return inner
  })
  return new Attribute(proto, tensor, graphs)
}

/** A TypeProto in this project's terms; undefined when it says nothing. */
export function decodeType(proto: onnx.TypeProto.$Properties | null | undefined): ValueType | undefined {
  if (proto === null || proto === undefined) return undefined
  const elementType = elementTypeOfCode(proto.tensorType?.elemType ?? 0)
  if (elementType === undefined) {
    return proto.tensorType && !proto.tensorType.elemType ? undefined : { kind: 'opaque', proto }
  }
  const dims = proto.tensorType?.shape ? (proto.tensorType.shape.dim ?? []) : undefined
  return { kind: 'tensor', elementType, shape: dims?.map(decodeDimension) }
}

/** Exporters write -1, and some 0 where a run has more, for a size they do not know. */
function decodeDimension({ dimValue, dimParam }: onnx.TensorShapeProto.Dimension.$Properties): Dimension {
  if (dimParam) return dimParam
  if (dimValue === undefined || dimValue === null) return undefined
  const size = int64ToNumber(dimValue)
  return size >= 0 ? size : undefined
}
