import type { ElementType } from './element-type.ts'
import type { Graph } from './graph.ts'
import { Model } from './model.ts'
import type { Node, NodeSpec } from './node.ts'
import { Tensor } from './tensor.ts'
import { type Dimension, Value, type ValueType } from './value.ts'

/** What may stand for an input of a node: a value, a tensor or plain numbers (float32) for a constant, undefined for one left out. */
export type Operand = Value | Tensor | number | readonly number[] | undefined

type Attributes = NonNullable<NodeSpec['attributes']>

export interface NodeOptions {
  name?: string
  domain?: string
  /** The node it takes over from: its name, documentation and metadata. */
  like?: Node
  /** Names of the outputs, or how many. Default: one, with a name made up. */
  outputs?: number | readonly (string | undefined)[]
  types?: readonly (ValueType | undefined)[]
}

export interface BuildOptions {
  /** Version of the ONNX standard's operator set. Default: 17. */
  opset?: number
  /** Further operator sets by domain. */
  opsets?: Readonly<Record<string, number>>
  /** Default: 8. */
  irVersion?: number
  name?: string
}

/** A tensor type in short. */
export const tensorType = (elementType: ElementType, shape?: readonly Dimension[]): ValueType => ({
  kind: 'tensor',
  elementType,
  shape,
})

/** An int64 tensor of rank 1, or a scalar: what shapes, axes and indices are. */
export const int64 = (values: number | readonly number[]): Tensor =>
  typeof values === 'number'
    ? Tensor.fromNumbers('int64', [], [values])
    : Tensor.fromNumbers('int64', [values.length], values)

/** Adds nodes to a graph, each before a given node, or at the end. */
export class GraphBuilder {
  readonly graph: Graph
  readonly #before: Node | undefined
  /** The nodes this builder added, in order. */
  readonly added: Node[] = []
  /** The initializers it added. */
  readonly constants: Value[] = []

  constructor(graph: Graph, before?: Node) {
    this.graph = graph
    this.#before = before
  }

  /** A builder that adds before another node; what it adds counts as added by this one. */
  before(node: Node): GraphBuilder {
    const builder = new GraphBuilder(node.graph, node)
    return Object.assign(builder, { added: this.added, constants: this.constants })
  }

  input(name: string, elementType: ElementType = 'float32', shape?: readonly Dimension[]): Value {
    return this.graph.addInput(name, tensorType(elementType, shape))
  }

  /** Makes a value an output of the graph, under a name of its own if one is given. */
  output(name: string, value: Value): Value {
    if (value.name !== name) value.name = name
    this.graph.model.claimName(name)
    this.graph.addOutput(value)
    return value
  }

  /** An initializer: from a tensor, or from numbers with dims (a scalar, or rank 1, without) and an element type (float32). */
  constant(
    data: Tensor | number | ArrayLike<number>,
    options: { dims?: readonly number[]; type?: ElementType; name?: string } = {},
  ): Value {
    const { type = 'float32', name = 'constant' } = options
    const numbers = typeof data === 'number' ? [data] : data
    const tensor =
      numbers instanceof Tensor
        ? numbers
        : Tensor.fromNumbers(type, options.dims ?? (typeof data === 'number' ? [] : [numbers.length]), numbers)
    const value = this.graph.addInitializer(this.graph.model.freshName(name), tensor)
    this.constants.push(value)
    return value
  }

  /** An operator's first output. */
  op(op: string, inputs: readonly Operand[], attributes: Attributes = {}, options: NodeOptions = {}): Value {
    return this.node(op, inputs, attributes, options).output
  }

  /** A node, for operators with several outputs. */
  node(op: string, inputs: readonly Operand[], attributes: Attributes = {}, options: NodeOptions = {}): Node {
    const values = inputs.map((operand) =>
      operand === undefined || operand instanceof Value
        ? operand
        : this.constant(operand as Tensor | number | number[]),
    )
    const { like, ...rest } = options
    const inherited = like === undefined ? {} : { name: like.name, ...(like.proto ? { proto: like.proto } : {}) }
    const spec = { op, ...inherited, ...rest, inputs: values, attributes }
    const node = this.#before === undefined ? this.graph.append(spec) : this.graph.insertBefore(this.#before, spec)
    this.added.push(node)
    return node
  }

  /** A graph to be nested in an attribute; it may use this graph's values. */
  subgraph(build: (graph: GraphBuilder) => void, name = 'body'): Graph {
    const nested = this.graph.nested(this.graph.model.freshName(name))
    build(new GraphBuilder(nested))
    return nested
  }
}

/**
 * Builds a model in a few readable lines:
 *
 * ```ts
 * const model = buildModel((g) => {
 *   const x = g.input('x', 'float32', ['batch', 3, 8, 8])
 *   g.output('y', g.op('Relu', [g.op('Conv', [x, weight], { pads: [1, 1, 1, 1] })]))
 * })
 * ```
 */
export function buildModel(build: (graph: GraphBuilder) => void, options: BuildOptions = {}): Model {
  const { opset = 17, opsets = {}, irVersion = 8, name = 'graph' } = options
  const model = new Model({
    proto: { irVersion, producerName: 'unplugin-onnx' },
    opsets: [['', opset], ...Object.entries(opsets)],
    graphName: name,
  })
  build(new GraphBuilder(model.graph))
  return model
}
