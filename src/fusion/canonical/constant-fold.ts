import {
  byteLength,
  concatenate,
  copyAttributes,
  encode,
  type GraphBuilder,
  Model,
  type Node,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { inferShapes } from '../../graph/shapes/index.ts'
import type { FusionContext } from '../context.ts'
import type { Fusion, Replacement } from '../define-fusion.ts'
import { defineFusion } from '../define-fusion.ts'
import { isRandom } from './random-operators.ts'

/** Bytes that a folded constant may add to the file. */
const mostGrowth = 16_384

/** Elements of the tensors that are computed here. */
const mostElements = 65_536

/**
 * f(c₁, c₂, …) → its value, for any part of the graph that depends on constants alone, computed by the runtime itself, which is not
 * started for what shape inference knows.
 *
 * Nodes that can be computed are remembered as they are met; a part is computed, as a whole, when the first node is met which needs its
 * result and depends on an input as well, or when it can be computed only after a node was met that needs its result. What would make the file grow (an Expand of one number, a dequantised weight) is left alone, and so is
 * a dequantised constant beside a dequantised value: sessions have kernels for the two as they are quantised, and where they find a plain weight
 * (WeightBiasQuantization), they quantise it anew, all channels by one scale.
 */
export function constantFold(): Fusion {
  const computable = new WeakSet<Node>()
  const met = new WeakSet<Node>()
  return defineFusion({
    name: 'constant-fold',
    roots: ['*'],
    rewrite(root, graph, context) {
      const { evaluate } = context
      const isKnown = isComputable(root, computable) && mayFit(root, context)
      if (isKnown) computable.add(root)
      else met.add(root)
      const isLate = isKnown && root.outputs.some((output) => output && [...output.users].some((user) => met.has(user)))
      if (isKnown && !isLate) return undefined
      const replacements: Replacement[] = []
      const chosen = isLate
        ? valuesToFold(root.outputs, (value) => [...value.users], computable, context)
        : valuesToFold(root.inputs, () => [root], computable, context)
      for (const [value, producer] of chosen) {
        const part = modelOf(value, producer)
        const folded = inferredValue(part) ?? (evaluate && evaluatedValue(part, value, evaluate))
        if (folded === undefined || typeof folded === 'string') return folded
        replacements.push({ from: value, to: constantBeside(producer, graph, folded) })
      }
      return replacements.length > 0 ? replacements : undefined
    },
  })
}

/**
 * The values that constants shall stand for, with what computes them: these, where they are computable, or what they are computed from where they
 * would take too much room.
 */
function valuesToFold(
  values: readonly (Value | undefined)[],
  usersOf: (value: Value) => readonly Node[],
  computable: WeakSet<Node>,
  context: FusionContext,
): Map<Value, Node> {
  const chosen = new Map<Value, Node>()
  const visit = (value: Value | undefined, users: readonly Node[]): void => {
    const producer = value?.producer
    if (value === undefined || producer === undefined || !computable.has(producer)) return
    const staysQuantised = users.some((user) => takesQuantised(user, computable))
    if (staysQuantised && partOf(producer).some(isDequantise)) return
    if (fits(producer, computable, context)) {
      chosen.set(value, producer)
      return
    }
    computable.delete(producer)
    for (const input of producer.inputs) visit(input, [producer])
  }
  for (const value of values) if (value !== undefined) visit(value, usersOf(value))
  return chosen
}

/** ONNX's, or com.microsoft's of the same meaning. */
const isDequantise = (node: Node): boolean => node.op === 'DequantizeLinear'

/** Operators through which onnxruntime moves a DequantizeLinear. */
const passing = new Set(['MaxPool', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice'])

/** Whether one of the values that a node takes was dequantised in the run; a weight too large to be folded was not. */
function takesQuantised(node: Node, computable: WeakSet<Node>): boolean {
  return node.inputs.some((input) => {
    let source = input?.producer
    while (source !== undefined && source.domain === '' && passing.has(source.op)) source = source.inputs[0]?.producer
    if (source === undefined || !isDequantise(source) || computable.has(source)) return false
    return source.inputs[0]?.constant === undefined
  })
}

/** The constant lives in the graph of what it replaces, which may be one around the root's. */
const constantBeside = (producer: Node, graph: GraphBuilder, tensor: Tensor): Value =>
  graph.before(producer).constant(tensor)

/** Whether a node is the same function in every run, and takes constants and computable nodes only. */
function isComputable(node: Node, computable: WeakSet<Node>): boolean {
  if (!['', 'com.microsoft'].includes(node.domain) || node.is('Constant') || isRandom(node)) return false
  if (node.subgraphs.length > 0 || node.outputs.some((output) => output?.isOutput)) return false
  return node.inputs.every(
    (input) =>
      input === undefined ||
      input.constant !== undefined ||
      (input.producer !== undefined && computable.has(input.producer)),
  )
}

/** Whether its result is of a known size, which is small or no larger than all constants that it is computed from. */
function mayFit(node: Node, context: FusionContext): boolean {
  const size = sizeOf(node, context)
  return size !== undefined && (size <= mostGrowth || size <= mostGrowth + sum(constantsOf(node)))
}

/** Whether its result takes little room, or no more than the constants which nothing but computable parts of the graph use. */
function fits(node: Node, computable: WeakSet<Node>, context: FusionContext): boolean {
  const size = sizeOf(node, context)
  if (size === undefined) return false
  if (size <= mostGrowth) return true
  const freed = [...constantsOf(node)].filter(
    (value) => !value.isOutput && [...value.users].every((user) => user === node || computable.has(user)),
  )
  return size <= mostGrowth + sum(freed)
}

/** Bytes of a node's outputs; undefined where they are not known. */
function sizeOf(node: Node, context: FusionContext): number | undefined {
  let size = 0
  for (const output of node.outputs) {
    if (output === undefined) continue
    const elementType = context.elementType(output)
    const dims = context.shape(output)?.map(Number)
    if (elementType === undefined || elementType === 'string' || dims === undefined || dims.some(Number.isNaN))
      return undefined
    size += byteLength(elementType, dims)
  }
  return size
}

const sum = (constants: Iterable<Value>): number => {
  let bytes = 0
  for (const { constant } of constants) bytes += constant?.byteLength ?? 0
  return bytes
}

/** The constants from which a computable node is computed. */
function constantsOf(node: Node): Set<Value> {
  const constants = new Set<Value>()
  for (const part of partOf(node))
    for (const input of part.inputs) if (input?.constant !== undefined) constants.add(input)
  return constants
}

/** The nodes, constants not counted, from which a computable node is computed, itself last. */
function partOf(node: Node): Node[] {
  const order = new Set<Node>()
  const visit = (current: Node): void => {
    if (order.has(current)) return
    for (const input of current.inputs) {
      if (input?.constant === undefined && input?.producer !== undefined) visit(input.producer)
    }
    order.add(current)
  }
  visit(node)
  return [...order]
}

/** Operators whose results runtimes round each in its own way. */
const rounded: ReadonlySet<string> = new Set(['Pow'])

/** The value as shape inference computes it: to the last bit, where it does. */
function inferredValue({ graph }: Model): Tensor | undefined {
  const [output] = graph.outputs
  if (output === undefined || [...graph.nodes].some(({ op }) => rounded.has(op))) return undefined
  const { elementType, shape, data } = inferShapes(graph.model, { mostElements }).factsOf(output) ?? {}
  const [dims, elements] = [shape, data].map((list) => list?.map(Number))
  if (elementType === undefined || dims === undefined || elements === undefined) return undefined
  const isKnown = [...dims, ...elements].every(Number.isFinite)
  return isKnown ? Tensor.fromNumbers(elementType, dims, elements) : undefined
}

function evaluatedValue(part: Model, value: Value, evaluate: NonNullable<FusionContext['evaluate']>): Tensor | string {
  try {
    const outputs = evaluate(concatenate(encode(part).chunks), {})
    return outputs[value.name] ?? `the runtime gave no "${value}"`
  } catch (error) {
    return `the runtime cannot compute "${value}": ${error instanceof Error ? error.message : String(error)}`
  }
}

/** A model of its own which computes the value from its constants. */
function modelOf(value: Value, producer: Node): Model {
  const { model } = value.graph
  const part = new Model({
    proto: { irVersion: model.proto.irVersion ?? 8 },
    opsets: model.opsets,
    graphName: 'constant',
  })
  const copies = new Map<Value, Value>()
  for (const constant of constantsOf(producer)) {
    if (constant.constant !== undefined)
      copies.set(constant, part.graph.addInitializer(constant.name, constant.constant))
  }
  for (const node of partOf(producer)) {
    const copy = part.graph.append({
      op: node.op,
      domain: node.domain,
      inputs: node.inputs.map((input) => input && copies.get(input)),
      outputs: node.outputs.map((output) => output?.name),
      attributes: copyAttributes(node.attributes.values(), part.graph, copies),
    })
    node.outputs.forEach((output, index) => {
      const target = copy.outputs[index]
      if (output !== undefined && target !== undefined) copies.set(output, target)
    })
  }
  const result = copies.get(value)
  if (result !== undefined) part.graph.addOutput(result)
  return part
}
