import protobuf from 'protobufjs/minimal.js'
import type { Attribute } from './attribute.ts'
import { elementTypes } from './element-type.ts'
import type { Graph } from './graph.ts'
import type { Model } from './model.ts'
import type { Node } from './node.ts'
import { onnx } from './proto/onnx.js'
import { renameShadowingValues } from './shadowing.ts'
import type { ExternalLocation, Tensor } from './tensor.ts'
import type { Value, ValueType } from './value.ts'

/** Bytes from which a weight is spliced in as a view instead of being copied into the encoder's buffer. */
const spliceFrom = 1024

/** Bytes from which a weight goes to the external file, when there is one (ONNX's own threshold). */
const externalFrom = 1024

export interface EncodeOptions {
  /**
   * Writes the weights, except those of nested graphs, to a file of their own, of this name beside the model: for models past protobuf's
   * 2 GiB. A function names a file for each weight, by its number.
   */
  externalLocation?: string | ((weight: number) => string)
}

export interface EncodedModel {
  /** The model file, in pieces to be written one after another; weights are views of the file they came from. */
  chunks: Uint8Array[]
  /** The external file, likewise, or one weight after another, each a file; only with `externalLocation`. */
  externalChunks?: Uint8Array[]
}

/**
 * Writes a model. One that was not rewritten since it was decoded comes out byte for byte as it went in
 * (unless its weights are asked to move to an external file).
 */
export function encode(model: Model, options: EncodeOptions = {}): EncodedModel {
  const { externalLocation } = options
  if (!model.isChanged && model.source !== undefined && externalLocation === undefined)
    return { chunks: [model.source] }
  renameShadowingValues(model.graph)
  const external = externalData(externalLocation)
  const message = new MessageWriter()
  message.write(onnx.ModelProto, { ...model.proto, functions: [...model.functions] })
  // IR versions 1 and 2 know no opset imports: everything is of opset 1.
  for (const [domain, version] of model.irVersion < 3 ? [] : model.opsets)
    message.field(8, onnx.OperatorSetIdProto, { domain, version })
  message.nested(7, encodeGraph(model.graph, external))
  const chunks = message.finish()
  return external === undefined ? { chunks } : { chunks, externalChunks: external.chunks }
}

/** The pieces of an encoded model as one array. A single piece is returned as it is. */
export function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}

interface MessageType<Message> {
  encode(message: Message, writer?: protobuf.Writer): protobuf.Writer
}

/**
 * A protobuf message as a list of pieces. protobufjs writes what is small into one buffer; a weight is a piece of its own,
 * so that it is never copied, however deep its message is nested.
 */
class MessageWriter {
  readonly #chunks: Uint8Array[] = []
  #writer = protobuf.Writer.create()
  #length = 0

  get length(): number {
    return this.#length + this.#writer.len
  }

  write<Message>(type: MessageType<Message>, message: Message): void {
    type.encode(message, this.#writer)
  }

  field<Message>(id: number, type: MessageType<Message>, message: Message): void {
    type.encode(message, this.#tag(id).fork()).ldelim()
  }

  bytes(id: number, view: Uint8Array): void {
    if (view.length < spliceFrom) this.#tag(id).bytes(view)
    else {
      this.#tag(id).uint32(view.length)
      this.#splice([view], view.length)
    }
  }

  nested(id: number, message: MessageWriter): void {
    const { length } = message
    this.#tag(id).uint32(length)
    this.#splice(message.finish(), length)
  }

  /** All fields written here are length-delimited: wire type 2. */
  #tag(id: number): protobuf.Writer {
    return this.#writer.uint32((id << 3) | 2)
  }

  #splice(chunks: readonly Uint8Array[], length: number): void {
    this.#flush()
    for (const chunk of chunks) this.#chunks.push(chunk)
    this.#length += length
  }

  #flush(): void {
    if (this.#writer.len === 0) return
    const chunk = this.#writer.finish()
    this.#chunks.push(chunk)
    this.#length += chunk.length
    this.#writer = protobuf.Writer.create()
  }

  finish(): Uint8Array[] {
    this.#flush()
    return this.#chunks
  }
}

/** Where the weights of a model with external data go. */
interface ExternalData {
  readonly chunks: Uint8Array[]
  /** Takes a weight and tells where it lies. */
  append(bytes: Uint8Array): ExternalLocation
}

const externalData = (location: EncodeOptions['externalLocation']): ExternalData | undefined => {
  if (location === undefined) return undefined
  return typeof location === 'string' ? new ExternalFile(location) : new ExternalFiles(location)
}

/** One file: weights one after another, each at a multiple of 64 bytes. */
class ExternalFile implements ExternalData {
  readonly chunks: Uint8Array[] = []
  readonly #location: string
  #length = 0

  constructor(location: string) {
    this.#location = location
  }

  append(bytes: Uint8Array): ExternalLocation {
    const padding = (64 - (this.#length % 64)) % 64
    if (padding > 0) this.chunks.push(new Uint8Array(padding))
    const offset = this.#length + padding
    this.chunks.push(bytes)
    this.#length = offset + bytes.length
    return { location: this.#location, offset, length: bytes.length }
  }
}

/** A file for each weight. */
class ExternalFiles implements ExternalData {
  readonly chunks: Uint8Array[] = []
  readonly #locationOf: (weight: number) => string

  constructor(locationOf: (weight: number) => string) {
    this.#locationOf = locationOf
  }

  append(bytes: Uint8Array): ExternalLocation {
    const location = this.#locationOf(this.chunks.length)
    this.chunks.push(bytes)
    return { location, offset: 0, length: bytes.length }
  }
}

function encodeGraph(graph: Graph, external: ExternalData | undefined): MessageWriter {
  const message = new MessageWriter()
  for (const node of graph.nodes) encodeNode(message, node, external)
  const { quantizationAnnotation, ...proto } = graph.proto
  const named = valuesByName(graph)
  message.write(onnx.GraphProto, {
    ...proto,
    name: graph.name,
    quantizationAnnotation: quantizationAnnotation?.filter(({ tensorName }) => named.has(tensorName ?? '')) ?? [],
  })
  for (const value of graph.initializers) {
    if (value.initializer !== undefined) message.nested(5, encodeTensor(value.initializer, value.name, external))
  }
  for (const value of graph.inputs) message.field(11, onnx.ValueInfoProto, valueInfo(value))
  for (const value of graph.outputs) message.field(12, onnx.ValueInfoProto, valueInfo(value))
  for (const value of named.values()) {
    const described = value.info !== undefined || (value.type !== undefined && value.producer !== undefined)
    if (described && !value.isInput && !value.outputOf.has(graph))
      message.field(13, onnx.ValueInfoProto, valueInfo(value))
  }
  return message
}

/** The values a graph owns: inputs, initializers and outputs of its nodes. */
function valuesByName(graph: Graph): Map<string, Value> {
  const values = new Map<string, Value>()
  for (const value of [...graph.inputs, ...graph.initializers]) values.set(value.name, value)
  for (const node of graph.nodes) {
    for (const value of node.outputs) if (value !== undefined) values.set(value.name, value)
  }
  return values
}

function valueInfo(value: Value): onnx.ValueInfoProto.$Properties {
  const type = value.type === undefined ? value.info?.type : encodeType(value.type, value.info?.type)
  return { ...value.info, name: value.name, ...(type ? { type } : {}) }
}

/** A type as its message; what `original` says beyond it (denotations) is kept where the dimension is the same. */
function encodeType(
  type: ValueType,
  original: onnx.TypeProto.$Properties | null | undefined,
): onnx.TypeProto.$Properties {
  if (type.kind === 'opaque') return type.proto
  const dims = original?.tensorType?.shape?.dim ?? []
  const shape = type.shape && {
    ...original?.tensorType?.shape,
    dim: type.shape.map((dimension, index) => {
      const { dimValue, dimParam, ...rest } = dims[index] ?? {}
      if (dimension === undefined) return rest
      return typeof dimension === 'number' ? { ...rest, dimValue: dimension } : { ...rest, dimParam: dimension }
    }),
  }
  return {
    ...original,
    tensorType: {
      ...original?.tensorType,
      elemType: elementTypes[type.elementType].code,
      ...(shape ? { shape } : {}),
    },
  }
}

function encodeNode(graph: MessageWriter, node: Node, external: ExternalData | undefined): void {
  const proto: onnx.NodeProto.$Properties = {
    ...node.proto,
    input: node.inputs.map((value) => value?.name ?? ''),
    output: node.outputs.map((value) => value?.name ?? ''),
    ...(node.name === '' ? {} : { name: node.name }),
    opType: node.op,
    ...(node.domain === '' ? {} : { domain: node.domain }),
    ...(node.overload === '' ? {} : { overload: node.overload }),
  }
  const attributes = [...node.attributes.values()]
  if (attributes.every(({ tensor, graphs }) => tensor === undefined && graphs.length === 0)) {
    graph.field(1, onnx.NodeProto, { ...proto, attribute: attributes.map((attribute) => attribute.proto) })
    return
  }
  const message = new MessageWriter()
  message.write(onnx.NodeProto, proto)
  for (const attribute of attributes) message.nested(5, encodeAttribute(attribute, external))
  graph.nested(1, message)
}

function encodeAttribute(attribute: Attribute, external: ExternalData | undefined): MessageWriter {
  const message = new MessageWriter()
  const { t, g, graphs, ...proto } = attribute.proto
  message.write(onnx.AttributeProto, proto)
  if (attribute.tensor !== undefined) message.nested(5, encodeTensor(attribute.tensor, t?.name ?? '', external))
  const single = attribute.type === 5
  // Their weights stay in the model's file: onnxruntime-web looks for those of nested graphs on a disk.
  for (const graph of attribute.graphs) message.nested(single ? 6 : 11, encodeGraph(graph, undefined))
  return message
}

/** TensorProto's fields for raw bytes: id 9; the name: id 8. */
function encodeTensor(tensor: Tensor, name: string, external: ExternalData | undefined): MessageWriter {
  const message = new MessageWriter()
  const { rawData, externalData, dataLocation, ...proto } = tensor.proto ?? {
    dims: [...tensor.dims],
    dataType: elementTypes[tensor.elementType].code,
  }
  const named = name === '' && proto.name === undefined ? proto : { ...proto, name }
  const typed = !rawData?.length && dataLocation !== 1 && tensor.proto !== undefined
  if (external !== undefined && tensor.elementType !== 'string' && tensor.byteLength >= externalFrom) {
    const place = external.append(tensor.bytes)
    const { floatData, int32Data, int64Data, doubleData, uint64Data, ...rest } = named
    message.write(onnx.TensorProto, {
      ...rest,
      dataLocation: 1,
      externalData: Object.entries(place).map(([key, value]) => ({ key, value: String(value) })),
    })
  } else {
    message.write(onnx.TensorProto, named)
    if (!typed) message.bytes(9, tensor.bytes)
  }
  return message
}
