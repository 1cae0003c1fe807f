import { GraphError } from './errors.ts'
import type { Model } from './model.ts'
import { Node, type NodeSpec } from './node.ts'
import type { onnx } from './proto/onnx.js'
import type { Tensor } from './tensor.ts'
import { Value, type ValueType } from './value.ts'

/**
 * A list of nodes in topological order, with inputs, outputs and initializers; nested when it is the body of an If, Loop or Scan.
 * Surgery follows FX: `replaceAllUsesWith`, `eraseNode`, `insertBefore`, `insertAfter`.
 */
export class Graph {
  readonly model: Model
  name: string
  /** The message it came from, kept for documentation, metadata and what this version does not model. */
  readonly proto: onnx.GraphProto.$Properties
  /** The node whose attribute holds this graph; undefined for the main graph. */
  owner: Node | undefined
  readonly #inputs: Value[] = []
  readonly #outputs: Value[] = []
  readonly #outputPlaces = new Map<Value, number[]>()
  readonly #initializers = new Set<Value>()
  #first: Node | undefined
  #last: Node | undefined
  #size = 0
  /** Whether the positions of its nodes tell their order. */
  #isNumbered = true

  constructor(model: Model, name: string, proto: onnx.GraphProto.$Properties = {}) {
    this.model = model
    this.name = name
    this.proto = proto
  }

  get inputs(): readonly Value[] {
    return this.#inputs
  }

  get outputs(): readonly Value[] {
    return this.#outputs
  }

  /** Values that carry a tensor, those which are also inputs included, in file order. */
  get initializers(): ReadonlySet<Value> {
    return this.#initializers
  }

  /** The graph around this one; undefined for the main graph. */
  get parent(): Graph | undefined {
    return this.owner?.graph
  }

  /** Its nodes in topological order, not those of nested graphs. Nodes may be erased or inserted while it is walked. */
  get nodes(): Iterable<Node> & { readonly length: number } {
    const first = () => this.#first
    return {
      length: this.#size,
      *[Symbol.iterator]() {
        let node = first()
        while (node !== undefined) {
          yield node
          // An erased node keeps its link, so a walk survives the erasure of the node it stands on.
          do node = node.next
          while (node?.erased)
        }
      },
    }
  }

  /** Its nodes and, after each, those of the graphs nested in it. */
  *walk(): Generator<Node> {
    for (const node of this.nodes) {
      yield node
      for (const graph of node.subgraphs) yield* graph.walk()
    }
  }

  /** This graph and those nested in it, in the order of the nodes that hold them. */
  *walkGraphs(): Generator<Graph> {
    yield this
    for (const node of this.nodes) for (const nested of node.subgraphs) yield* nested.walkGraphs()
  }

  addInput(name: string, type?: ValueType, info?: onnx.ValueInfoProto.$Properties): Value {
    const value = new Value(this, name, { isInput: true, type, info })
    this.#inputs.push(value)
    this.model.claimName(name)
    this.model.markChanged()
    return value
  }

  /** Adds a constant under a name that must be free; `freshName` gives one. */
  addInitializer(name: string, tensor: Tensor, info?: onnx.ValueInfoProto.$Properties): Value {
    const value = new Value(this, name, { initializer: tensor, info })
    this.#initializers.add(value)
    this.model.claimName(name)
    this.model.markChanged()
    return value
  }

  /** Gives a graph input a default value. A caller may override it, so it is no constant. */
  setDefault(input: Value, tensor: Tensor): void {
    input.initializer = tensor
    this.#initializers.add(input)
  }

  /** Removes an initializer that nothing uses. Throws GraphError when something does. */
  removeInitializer(value: Value): void {
    if (value.isUsed || value.isInput) {
      throw new GraphError('invalid-graph', `The initializer "${value}" is still used.`, { node: firstUser(value) })
    }
    this.#initializers.delete(value)
    this.model.markChanged()
  }

  addOutput(value: Value): void {
    this.#outputPlaces.set(value, [...(this.#outputPlaces.get(value) ?? []), this.#outputs.length])
    this.#outputs.push(value)
    value.addOutputOf(this)
    this.model.markChanged()
  }

  /** Appends a node whose inputs are all defined already. */
  append(spec: NodeSpec): Node {
    return this.#link(new Node(this, spec), this.#last)
  }

  insertBefore(anchor: Node, spec: NodeSpec): Node {
    return this.#link(new Node(this, spec), anchor.previous)
  }

  insertAfter(anchor: Node, spec: NodeSpec): Node {
    return this.#link(new Node(this, spec), anchor)
  }

  /** Moves nodes of this graph, in the given order, behind `anchor`. */
  moveAfter(anchor: Node, nodes: readonly Node[]): void {
    let previous = anchor
    for (const node of nodes) {
      this.#unlink(node)
      this.#place(node, previous)
      previous = node
    }
    this.model.markChanged()
  }

  #link(node: Node, previous: Node | undefined): Node {
    this.#place(node, previous)
    for (const output of node.outputs) if (output !== undefined) this.model.claimName(output.name)
    if (node.name !== '') this.model.claimName(node.name)
    this.model.markChanged()
    return node
  }

  /** Whether one of its nodes comes before another of them. */
  precedes(a: Node, b: Node): boolean {
    if (!this.#isNumbered) {
      let position = 0
      for (const node of this.nodes) node.position = position++
      this.#isNumbered = true
    }
    return a.position < b.position
  }

  #place(node: Node, previous: Node | undefined): void {
    const next = previous === undefined ? this.#first : previous.next
    const [low, high] = [previous?.position, next?.position]
    if (low === undefined || high === undefined) node.position = low === undefined ? (high ?? 1) - 1 : low + 1
    else {
      // Halfway between its neighbours, until the numbers are used up.
      node.position = (low + high) / 2
      if (node.position <= low || node.position >= high) this.#isNumbered = false
    }
    node.previous = previous
    node.next = next
    if (previous === undefined) this.#first = node
    else previous.next = node
    if (next === undefined) this.#last = node
    else next.previous = node
    this.#size++
    this.model.count(node.target, 1)
  }

  /** The node keeps its own links: a walk that stands on it finds its way on. */
  #unlink(node: Node): void {
    if (node.previous === undefined) this.#first = node.next
    else node.previous.next = node.next
    if (node.next === undefined) this.#last = node.previous
    else node.next.previous = node.previous
    this.#size--
    this.model.count(node.target, -1)
  }

  /** @internal Puts the nodes in the given order, which must hold each of them once. */
  reorder(order: readonly Node[]): void {
    this.#isNumbered = false
    order.forEach((node, index) => {
      node.previous = order[index - 1]
      node.next = order[index + 1]
    })
    this.#first = order[0]
    this.#last = order.at(-1)
  }

  /** An empty graph to be nested in an attribute of one of this graph's nodes. */
  nested(name: string, proto: onnx.GraphProto.$Properties = {}): Graph {
    return new Graph(this.model, name, proto)
  }

  /** Removes a node, and the graphs nested in it. Throws GraphError when one of its outputs is still used. */
  eraseNode(node: Node): void {
    const used = node.outputs.find((output) => output?.isUsed)
    if (used !== undefined) {
      throw new GraphError('invalid-graph', `The output "${used}" of an erased node is still used.`, {
        node: node.toString(),
      })
    }
    this.#eraseContents(node)
    node.release()
    this.#unlink(node)
    this.model.markChanged()
  }

  #eraseContents(node: Node): void {
    for (const graph of node.subgraphs) {
      for (const output of graph.outputs) output.removeOutputOf(graph)
      for (const inner of graph.nodes) {
        this.#eraseContents(inner)
        inner.release()
      }
    }
  }

  /**
   * Makes every user of `from`, in this graph and nested ones, use `to`; where `from` is an output of a graph, `to` becomes that output
   * and takes its name, declared type and documentation over, because the interface of a graph never changes. Throws GraphError where `to` cannot take the name:
   * ask `canReplace` first.
   */
  replaceAllUsesWith(from: Value, to: Value): void {
    if (from === to) return
    const reason = canReplace(from, to)
    if (reason !== undefined) throw new GraphError('invalid-graph', reason)
    for (const user of [...from.users]) user.replaceInput(from, to)
    if (!from.isOutput) return
    for (const graph of [...from.outputOf]) {
      // `to` is no output yet: `canReplace` saw to that.
      const places = graph.#outputPlaces.get(from) ?? []
      for (const place of places) graph.#outputs[place] = to
      graph.#outputPlaces.delete(from)
      graph.#outputPlaces.set(to, places)
      from.removeOutputOf(graph)
      to.addOutputOf(graph)
    }
    const { name, type, info } = from
    from.name = this.model.freshName(name)
    to.name = name
    if (type !== undefined) to.type = type
    if (info !== undefined) to.info = info
  }
}

const firstUser = (value: Value): string | undefined => [...value.users][0]?.toString()

/**
 * Why `to` cannot stand where `from` stands; undefined when it can. An output of a graph keeps its name and its place, so only a value
 * computed by a node of that very graph, and not an output already, may become one.
 */
export function canReplace(from: Value, to: Value): string | undefined {
  for (const graph of from.outputOf) {
    if (to.producer === undefined) {
      return `The output "${from}" would become ${to.isInput ? 'an input' : 'an initializer'} of its graph.`
    }
    if (to.graph !== graph) return `The output "${from}" would come from another graph.`
    if (to.isOutput) return `The outputs "${from}" and "${to}" would be one value.`
  }
  return undefined
}
