import { Attribute, type AttributeValue } from './attribute.ts'
import type { Graph } from './graph.ts'
import type { onnx } from './proto/onnx.js'
import { Tensor } from './tensor.ts'
import { Value, type ValueType } from './value.ts'

type NodeProto = onnx.NodeProto.$Properties

/** What a new node is made of. */
export interface NodeSpec {
  op: string
  /** Empty, or left out, for the ONNX standard. */
  domain?: string
  name?: string
  overload?: string
  /** undefined keeps the place of an optional input that is not given. */
  inputs: readonly (Value | undefined)[]
  /** Names of the outputs (undefined for one that is not wanted), or how many: they are named after the node. */
  outputs?: number | readonly (string | undefined)[]
  /** The outputs' types, where the maker knows them. */
  types?: readonly (ValueType | undefined)[]
  /** The outputs' messages, for documentation and metadata. */
  infos?: readonly (onnx.ValueInfoProto.$Properties | undefined)[]
  attributes?: Readonly<Record<string, AttributeValue>> | Iterable<Attribute>
  /** The message it came from, for documentation and metadata. */
  proto?: NodeProto
}

/** What nearly every node nests; asked for so often that it is made once. */
const none: readonly Graph[] = []

/** One operator application. Owned by its graph; inputs and attributes change only through its methods. */
export class Node {
  readonly graph: Graph
  readonly op: string
  readonly domain: string
  readonly overload: string
  readonly proto: NodeProto | undefined
  readonly outputs: readonly (Value | undefined)[]
  readonly #inputs: (Value | undefined)[]
  readonly #attributes = new Map<string, Attribute>()
  /** Where each input stands, for a node of which many are replaced one by one. */
  #places: Map<Value, number[]> | undefined
  #name: string
  #constant: Tensor | undefined | null = null
  /** @internal The list of the graph's nodes; kept by Graph. */
  previous: Node | undefined
  /** @internal */
  next: Node | undefined
  /** @internal Rises along the list; kept by Graph. */
  position = 0
  /** @internal */
  erased = false

  /** @internal Made by Graph.append, insertBefore and insertAfter. */
  constructor(graph: Graph, spec: NodeSpec) {
    this.graph = graph
    this.op = spec.op
    this.domain = spec.domain === 'ai.onnx' ? '' : (spec.domain ?? '')
    this.overload = spec.overload ?? ''
    this.#name = spec.name ?? ''
    this.proto = spec.proto
    const { attributes = [] } = spec
    const list: Iterable<Attribute> =
      Symbol.iterator in attributes
        ? (attributes as Iterable<Attribute>)
        : Object.entries(attributes).map(([name, value]) => Attribute.of(name, value))
    for (const attribute of list) this.#adopt(attribute)
    const { outputs = 1 } = spec
    const names =
      typeof outputs === 'number'
        ? Array.from({ length: outputs }, () => graph.model.freshName(this.#name || this.op))
        : outputs
    this.outputs = names.map((name, index) =>
      name === undefined
        ? undefined
        : new Value(graph, name, { producer: this, type: spec.types?.[index], info: spec.infos?.[index] }),
    )
    this.#inputs = [...spec.inputs]
    this.#trimInputs()
    for (const value of this.#inputs) value?.addUser(this)
  }

  get name(): string {
    return this.#name
  }

  set name(name: string) {
    this.#name = name
    this.graph.model.markChanged()
  }

  get inputs(): readonly (Value | undefined)[] {
    return this.#inputs
  }

  /** Its first output; throws when it has none. */
  get output(): Value {
    const [first] = this.outputs
    if (first === undefined) throw new RangeError(`Node ${this} has no output.`)
    return first
  }

  get attributes(): ReadonlyMap<string, Attribute> {
    return this.#attributes
  }

  /** `domain::op`, or the bare operator for the ONNX standard. */
  get target(): string {
    return this.domain === '' ? this.op : `${this.domain}::${this.op}`
  }

  /** Whether it is that operator of the ONNX standard (or of another domain, if named). */
  is(op: string, domain = ''): boolean {
    return this.op === op && this.domain === domain
  }

  /** The opset version under which it is read. */
  get opset(): number {
    return this.graph.model.opsets.get(this.domain) ?? 0
  }

  int(name: string): number | undefined
  int(name: string, fallback: number): number
  int(name: string, fallback?: number): number | undefined {
    return this.#attributes.get(name)?.int ?? fallback
  }

  float(name: string, fallback: number): number {
    return this.#attributes.get(name)?.float ?? fallback
  }

  string(name: string, fallback: string): string {
    return this.#attributes.get(name)?.string ?? fallback
  }

  ints(name: string): number[] | undefined {
    return this.#attributes.get(name)?.ints
  }

  setAttribute(name: string, value: AttributeValue): void {
    this.#constant = null
    this.#adopt(Attribute.of(name, value))
    this.graph.model.markChanged()
  }

  deleteAttribute(name: string): void {
    this.#constant = null
    this.#attributes.delete(name)
    this.graph.model.markChanged()
  }

  #adopt(attribute: Attribute): void {
    this.#attributes.set(attribute.name, attribute)
    for (const graph of attribute.graphs) graph.owner = this
  }

  /** Graphs nested in its attributes (If, Loop, Scan, SequenceMap). */
  get subgraphs(): readonly Graph[] {
    let graphs = none
    for (const attribute of this.#attributes.values())
      if (attribute.graphs.length > 0) graphs = [...graphs, ...attribute.graphs]
    return graphs
  }

  /** Points input `index` at another value; places in between are left empty. */
  setInput(index: number, value: Value | undefined): void {
    const old = this.#inputs[index]
    if (old === value && index < this.#inputs.length) return
    this.#places = undefined
    while (this.#inputs.length <= index) this.#inputs.push(undefined)
    this.#inputs[index] = value
    this.#trimInputs()
    if (old !== undefined && !this.#inputs.includes(old)) old.removeUser(this)
    value?.addUser(this)
    this.graph.model.markChanged()
  }

  /** Optional inputs at the end which are not given are not there; but the first two of a Loop are, since any number of others may follow. */
  #trimInputs(): void {
    const least = this.is('Loop') ? 2 : 0
    while (this.#inputs.length > least && this.#inputs.at(-1) === undefined) this.#inputs.pop()
  }

  /** Every place that holds `from` holds `to` afterwards. */
  replaceInput(from: Value, to: Value): void {
    this.#places ??= placesOf(this.#inputs)
    const places = this.#places.get(from)
    if (places === undefined || from === to) return
    for (const place of places) this.#inputs[place] = to
    const others = this.#places.get(to)
    if (others === undefined) this.#places.set(to, places)
    else for (const place of places) others.push(place)
    this.#places.delete(from)
    from.removeUser(this)
    to.addUser(this)
    this.graph.model.markChanged()
  }

  /** @internal Gives up its inputs; used when it is erased. */
  release(): void {
    for (const value of this.#inputs) value?.removeUser(this)
    this.erased = true
  }

  /** The value of a Constant node; undefined for every other operator, and for sparse constants. */
  get constantOutput(): Tensor | undefined {
    if (this.#constant === null) this.#constant = this.is('Constant') ? constantTensor(this) : undefined
    return this.#constant
  }

  /** Its name, or for a nameless node its operator and first output: what an error message shows. */
  toString(): string {
    return this.#name || `${this.target}(${this.outputs.find(Boolean)?.name ?? ''})`
  }
}

function placesOf(inputs: readonly (Value | undefined)[]): Map<Value, number[]> {
  const places = new Map<Value, number[]>()
  for (const [place, value] of inputs.entries()) {
    if (value === undefined) continue
    const others = places.get(value)
    if (others === undefined) places.set(value, [place])
    else others.push(place)
  }
  return places
}

function constantTensor(node: Node): Tensor | undefined {
  for (const attribute of node.attributes.values()) {
    const { name } = attribute
    if (name === 'value') return attribute.tensor
    if (name === 'value_float') return Tensor.fromNumbers('float32', [], [attribute.float])
    if (name === 'value_floats') return Tensor.fromNumbers('float32', [attribute.floats.length], attribute.floats)
    if (name === 'value_int') return int64s([], [attribute.proto.i ?? 0])
    if (name === 'value_ints') return int64s([attribute.proto.ints?.length ?? 0], attribute.proto.ints ?? [])
    if (name === 'value_string') return Tensor.fromStrings([], [attribute.string])
    if (name === 'value_strings') return Tensor.fromStrings([attribute.strings.length], attribute.strings)
  }
  return undefined
}

const int64s = (dims: number[], values: ArrayLike<{ toString(): string }>): Tensor =>
  Tensor.fromBytes(
    'int64',
    dims,
    new Uint8Array(BigInt64Array.from(Array.from(values, (value) => BigInt(value.toString()))).buffer),
  )
