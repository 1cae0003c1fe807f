import type { ElementType } from './element-type.ts'
import type { Graph } from './graph.ts'
import type { Node } from './node.ts'
import type { onnx } from './proto/onnx.js'
import type { Tensor } from './tensor.ts'

/** One dimension of a shape: a size, a symbolic name, or undefined when nothing is known. */
export type Dimension = number | string | undefined

export interface TensorType {
  readonly kind: 'tensor'
  readonly elementType: ElementType
  /** undefined when even the rank is unknown. */
  readonly shape: readonly Dimension[] | undefined
}

/** A sequence, map, optional or sparse tensor: carried through, never rewritten. */
export interface OpaqueType {
  readonly kind: 'opaque'
  readonly proto: onnx.TypeProto.$Properties
}

export type ValueType = TensorType | OpaqueType

const noGraphs: ReadonlySet<Graph> = new Set()

/**
 * What flows along an edge: a graph input, an initializer or a node's output.
 * Knows its producer and all its users, in its own graph and in every graph nested below it.
 */
export class Value {
  readonly graph: Graph
  /** The node that computes it; undefined for graph inputs and initializers. */
  readonly producer: Node | undefined
  /** Whether it is an input of its graph. */
  readonly isInput: boolean
  #name: string
  #type: ValueType | undefined
  #initializer: Tensor | undefined
  /** The ValueInfoProto it came with, kept for documentation and metadata. */
  info: onnx.ValueInfoProto.$Properties | undefined
  readonly #users = new Set<Node>()
  /** Made for the few values that need it. */
  #outputOf: Set<Graph> | undefined

  constructor(
    graph: Graph,
    name: string,
    facts: {
      producer?: Node
      isInput?: boolean
      type?: ValueType | undefined
      initializer?: Tensor
      info?: onnx.ValueInfoProto.$Properties | undefined
    } = {},
  ) {
    this.graph = graph
    this.#name = name
    this.producer = facts.producer
    this.isInput = facts.isInput ?? false
    this.#type = facts.type
    this.#initializer = facts.initializer
    this.info = facts.info
  }

  get name(): string {
    return this.#name
  }

  set name(name: string) {
    this.#name = name
    this.graph.model.markChanged()
  }

  /** The type the model declares or inference found; undefined when neither says. */
  get type(): ValueType | undefined {
    if (this.#type !== undefined || this.#initializer === undefined) return this.#type
    return { kind: 'tensor', elementType: this.#initializer.elementType, shape: this.#initializer.dims }
  }

  set type(type: ValueType | undefined) {
    this.#type = type
    this.graph.model.markChanged()
  }

  get elementType(): ElementType | undefined {
    const { type } = this
    return type?.kind === 'tensor' ? type.elementType : undefined
  }

  /** Its dims where it is a tensor of known rank. */
  get shape(): readonly Dimension[] | undefined {
    const { type } = this
    return type?.kind === 'tensor' ? type.shape : undefined
  }

  /** The tensor stored under its name. It is a constant only when no caller may override it: see `constant`. */
  get initializer(): Tensor | undefined {
    return this.#initializer
  }

  set initializer(tensor: Tensor | undefined) {
    this.#initializer = tensor
    this.graph.model.markChanged()
  }

  /** Its value when it is the same in every run: an initializer that is not also a graph input, or a Constant node's output. */
  get constant(): Tensor | undefined {
    if (this.#initializer !== undefined) return this.isInput ? undefined : this.#initializer
    return this.producer?.constantOutput
  }

  /** The nodes which take it as an input, in this graph and in nested ones, each once. */
  get users(): ReadonlySet<Node> {
    return this.#users
  }

  /** The graphs which list it among their outputs. */
  get outputOf(): ReadonlySet<Graph> {
    return this.#outputOf ?? noGraphs
  }

  get isOutput(): boolean {
    return this.outputOf.size > 0
  }

  /** Whether anything would miss it. */
  get isUsed(): boolean {
    return this.#users.size > 0 || this.isOutput
  }

  /** @internal Kept by Node. */
  addUser(node: Node): void {
    this.#users.add(node)
  }

  /** @internal Kept by Node. */
  removeUser(node: Node): void {
    this.#users.delete(node)
  }

  /** @internal Kept by Graph. */
  addOutputOf(graph: Graph): void {
    this.#outputOf ??= new Set()
    this.#outputOf.add(graph)
  }

  /** @internal Kept by Graph. */
  removeOutputOf(graph: Graph): void {
    this.#outputOf?.delete(graph)
  }

  toString(): string {
    return this.#name
  }
}
