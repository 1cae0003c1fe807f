import type { ElementType } from '../element-type.ts'
import { ModelError } from '../errors.ts'
import type { Graph } from '../graph.ts'
import type { Model } from '../model.ts'
import type { Node } from '../node.ts'
import type { Dimension, Value } from '../value.ts'
import { checkDimensions, unnamedKey } from './dimensions.ts'
import { type Dim, Expression, parseDim, substitute, unknownDim } from './expression.ts'
import { type Branch, Call, type Outputs, ShapeMismatch, type Surroundings } from './operator.ts'
import { operatorOf } from './operators/index.ts'
import { TensorFacts, type TensorShape } from './tensor-facts.ts'

export interface InferShapesOptions {
  /** Sizes of symbolic dimensions of the graph's inputs by name; one without a name is addressed as `input:axis`, as in `x:0`. */
  dimensions?: Readonly<Record<string, number>>
  /** Elements of tensors up to this size are carried along. Default: 64. */
  mostElements?: number
}

/**
 * Infers element types, shapes and the elements of small integer tensors for every value of a model, nested graphs included.
 * Types that the model declares are believed of its inputs only. What does not follow is unknown; an odd model is no error.
 *
 * With `dimensions`, sizes are given to symbolic dimensions. Throws ModelError `unknown-dimension` for a name that no input has, and
 * `shape-mismatch`, naming the node, where the model cannot run with them.
 */
export function inferShapes(model: Model, options: InferShapesOptions = {}): Shapes {
  const { dimensions = {}, mostElements } = options
  const pins = checkDimensions(model, dimensions)
  const shapes = new Shapes(pins, { mostElements })
  shapes.inferGraph(model.graph, true)
  if (pins.size > 0 && shapes.conflicts.size > 0) refuse(model, shapes)
  return shapes
}

/** A conflict that is there without the given sizes is the model's own: it may run nevertheless. */
function refuse(model: Model, pinned: Shapes): void {
  const free = new Shapes(new Map())
  free.inferGraph(model.graph, true)
  for (const [node, problem] of pinned.conflicts) {
    if (free.conflicts.has(node)) continue
    throw new ModelError('shape-mismatch', `The model does not run with these dimensions: ${problem}`, {
      node: node.toString(),
      remedy: 'Choose sizes that fit the model, or leave the dimension open.',
    })
  }
}

/**
 * What is known of the values of a model. Values made later, by nodes that are inserted, are inferred when they are asked for;
 * after a node's inputs or attributes change, call `inferNode`.
 */
export class Shapes implements Surroundings {
  /** Nodes whose inputs cannot be what they are, and why; their outputs are unknown. */
  readonly conflicts = new Map<Node, string>()
  readonly mostElements: number | undefined
  readonly #pins: ReadonlyMap<string, number>
  /** null for a value that was inferred and is no tensor, or of which nothing is known. */
  readonly #facts = new Map<Value, TensorFacts | null>()
  readonly #branches = new Map<Node, Branch>()
  /** The graphs around the current one that may not run at all, outermost first, and whether they can. */
  readonly #optional: { canRun: boolean }[] = []
  /** What is known where nothing is assumed; undefined when this is it. */
  readonly #base: Shapes | undefined

  /** @internal Made by inferShapes. */
  constructor(
    pins: ReadonlyMap<string, number>,
    { base, mostElements }: { base?: Shapes; mostElements?: number | undefined } = {},
  ) {
    this.#pins = pins
    this.mostElements = mostElements
    this.#base = base
  }

  /** undefined when nothing is known, or the value is no tensor. */
  factsOf(value: Value): TensorFacts | undefined {
    const known = this.#facts.get(value)
    if (known !== undefined) return known ?? undefined
    if (this.#base !== undefined) return this.#base.factsOf(value)
    if (value.producer === undefined) {
      const facts = this.#origin(value)
      this.#facts.set(value, facts ?? null)
      return facts
    }
    this.#inferBefore(value.producer)
    return this.#facts.get(value) ?? undefined
  }

  elementTypeOf(value: Value): ElementType | undefined {
    return this.factsOf(value)?.elementType
  }

  /** undefined when the rank is unknown; a dim of which nothing is known is a symbol of its own. */
  shapeOf(value: Value): readonly Dim[] | undefined {
    return this.factsOf(value)?.shape
  }

  /** The elements of a small tensor, where all are known by number or expression: row-major, booleans as 0 and 1. */
  dataOf(value: Value): readonly Dim[] | undefined {
    return this.factsOf(value)?.data
  }

  /** The branch of an If that runs whenever the model does not fail: the condition is known, or the other one cannot run. */
  branchOf(node: Node): Branch | undefined {
    for (const output of node.outputs) if (output !== undefined) this.factsOf(output)
    return this.#branches.get(node)
  }

  /** Infers a node's outputs, and its nested graphs, from its inputs. */
  inferNode(node: Node): void {
    this.conflicts.delete(node)
    this.#branches.delete(node)
    const outputs = this.#outputsOf(node)
    this.#setOutputs(node, Array.isArray(outputs) ? outputs : [outputs])
  }

  inferGraph(graph: Graph, certain: boolean): boolean {
    const outcome = { canRun: true }
    if (!certain) this.#optional.push(outcome)
    for (const node of graph.nodes) this.inferNode(node)
    if (!certain) this.#optional.pop()
    return outcome.canRun
  }

  takeBranch(node: Node, branch: Branch): void {
    this.#branches.set(node, branch)
  }

  canFollow(node: Node, outputs: readonly (TensorShape | undefined)[]): boolean {
    // One assumption at a time: chains of such nodes would double the work with each.
    if (this.#base !== undefined) return true
    const assumed = new Shapes(this.#pins, { base: this, mostElements: this.mostElements })
    assumed.#setOutputs(node, outputs)
    for (let next = node.next; next !== undefined && assumed.conflicts.size === 0; next = next.next) {
      if (usesAny(next, assumed.#facts)) assumed.inferNode(next)
    }
    return assumed.conflicts.size === 0
  }

  bind(input: Value, facts: TensorShape | undefined): void {
    this.#facts.set(input, completed(facts, input) ?? null)
  }

  #setOutputs(node: Node, facts: readonly (TensorShape | undefined)[]): void {
    node.outputs.forEach((output, index) => {
      if (output !== undefined) this.#facts.set(output, completed(facts[index], output) ?? null)
    })
  }

  #outputsOf(node: Node): Outputs {
    const operator = operatorOf(node)
    if (operator === undefined) return node.outputs.map((output) => output && declared(output))
    const call = new Call(
      node,
      node.inputs.map((input) => input && this.factsOf(input)),
      this,
    )
    try {
      return operator(call)
    } catch (error) {
      // A RangeError comes of an attribute that makes no sense, such as a block of size 0.
      if (!(error instanceof ShapeMismatch || error instanceof RangeError)) throw error
      const optional = this.#optional.at(-1)
      if (optional === undefined) this.conflicts.set(node, error.message)
      else optional.canRun = false
      return undefined
    }
  }

  /** Infers a new node, and first those before it which are new as well: a chain may be longer than the call stack is deep. */
  #inferBefore(node: Node): void {
    const stack = [node]
    const opened = new Set<Node>()
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (!opened.has(top)) {
        opened.add(top)
        for (const input of top.inputs) {
          const producer = input?.producer
          if (input === undefined || producer === undefined || opened.has(producer)) continue
          if (!this.#facts.has(input)) stack.push(producer)
        }
        if (stack.at(-1) !== top) continue
      }
      stack.pop()
      this.inferNode(top)
    }
  }

  /** An input or initializer. */
  #origin(value: Value): TensorFacts | undefined {
    const { initializer } = value
    if (!value.isInput) return initializer && TensorFacts.ofTensor(initializer, this.mostElements)
    const { type } = value
    if (type?.kind !== 'tensor') return undefined
    // Inputs of nested graphs are bound by their owner: without it, their declared shape is a guess.
    if (value.graph.parent !== undefined) return new TensorFacts(type.elementType, undefined)
    return new TensorFacts(
      type.elementType,
      type.shape?.map((dimension, axis) => this.#dimOfInput(value, dimension, axis)),
    )
  }

  #dimOfInput(value: Value, dimension: Dimension, axis: number): Dim {
    // Exporters write 0 where a run has more.
    const isOpen = dimension === 0 && value.initializer === undefined
    const dim = typeof dimension === 'string' ? parseDim(dimension) : isOpen ? undefined : dimension
    if (dim === undefined) return this.#pins.get(unnamedKey(value, axis)) ?? unknownDim()
    return this.#pins.size === 0 ? dim : substitute(dim, this.#pins)
  }
}

/** Whether a node, or a graph nested in it, reads one of these values. */
function usesAny(node: Node, values: ReadonlyMap<Value, unknown>): boolean {
  if (node.inputs.some((input) => input !== undefined && values.has(input))) return true
  return node.subgraphs.some(
    ({ nodes, outputs }) =>
      outputs.some((output) => values.has(output)) || [...nodes].some((inner) => usesAny(inner, values)),
  )
}

/** What an operator says, completed by the element type which the model declares. */
function completed(facts: TensorShape | undefined, value: Value): TensorFacts | undefined {
  const elementType = facts?.elementType ?? value.elementType
  if (facts === undefined) return elementType && new TensorFacts(elementType, undefined)
  if (facts instanceof TensorFacts && facts.elementType === elementType) return facts
  return new TensorFacts(elementType, facts.shape, facts.data)
}

/** For an operator that is not known here, the model's own word: sizes, but no names, which may be meant for something else. */
function declared(value: Value): TensorShape | undefined {
  const { type } = value
  if (type?.kind !== 'tensor') return undefined
  const shape = type.shape?.map((dimension) => (typeof dimension === 'number' ? dimension : unknownDim()))
  return { elementType: type.elementType, shape }
}

/** A dim as a value's type holds it: undefined when it has no name. */
export const toDimension = (dim: Dim): Dimension =>
  dim instanceof Expression ? (dim.isAnonymous ? undefined : dim.toString()) : dim
