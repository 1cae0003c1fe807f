import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import type { Dim, FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { keepsOrder } from './no-op-view.ts'

/** Operators that treat each element by itself, whatever its place; and those which do so with their first input. */
const elementwise = new Set(
  `Add Sub Mul Div Pow Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where Mod
  Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign ThresholdedRelu Erf Gelu Mish Swish Exp Log Sqrt
  Reciprocal Abs Neg Ceil Floor Round Sign Sin Cos Not IsNaN IsInf Cast Concat`.split(/\s+/),
)
const firstInputOnly = new Set(['Clip'])

/** Values up to which a region is looked through. */
const largestRegion = 32

/** Bytes up to which a constant may stand in the file twice. */
const largestCopy = 16_384

/**
 * Transpose_q(f(Transpose_p(x), c)) → f(x, Transpose_q(c)), where q undoes p, f is made of elementwise nodes and Concat that nothing else
 * uses, and every operand of it is so transposed, or constant, or smaller than the result and only has axes of size 1 moved. Fires only where
 * transposes cancel.
 */
export const transposeThroughElementwise = defineFusion({
  name: 'transpose-through-elementwise',
  roots: ['Transpose'],
  rewrite(root, graph, context) {
    const perm = root.ints('perm')
    const [end] = root.inputs
    if (perm === undefined || end?.producer === undefined || !isInside(end.producer)) return undefined
    const region = collect(end, perm, context)
    if (typeof region !== 'object') return region
    const reason = whyNotClosed(region, root)
    if (reason !== undefined) return reason
    const rebuilt = new Map<Value, Value>()
    for (const { value, replacement } of region.leaves) {
      const turned = replacement ?? graph.op('Transpose', [value], { perm })
      rebuilt.set(value, turned instanceof Tensor ? graph.constant(turned) : turned)
    }
    for (const node of region.nodes) rebuilt.set(node.output, rebuild(node, rebuilt, perm, graph))
    return rebuilt.get(end)
  },
})

const isInside = (node: Node): boolean =>
  node.domain === '' && node.opset >= 7 && (elementwise.has(node.op) || firstInputOnly.has(node.op))

type Shape = readonly Dim[] | undefined

interface Region {
  /** In topological order. */
  readonly nodes: readonly Node[]
  /** Those without a replacement get a Transpose of their own. */
  readonly leaves: readonly { value: Value; replacement: Value | Tensor | undefined }[]
}

/** The elementwise nodes before a value, and what they take in, untransposed; the reason when one of them does not cancel. */
function collect(end: Value, perm: readonly number[], context: FusionContext): Region | string | undefined {
  const nodes: Node[] = []
  const leaves = new Map<Value, Value | Tensor | undefined>()
  const visited = new Set<Value>()
  let cancelled = 0
  const visit = (value: Value): string | undefined => {
    if (visited.has(value)) return undefined
    visited.add(value)
    const { producer, constant } = value
    if (constant !== undefined) {
      const turned = transposedConstant(value, constant, perm)
      if (turned === undefined) return `"${value}" cannot be transposed`
      leaves.set(value, turned)
      return undefined
    }
    if (producer?.is('Transpose') && producer.inputs[0] !== undefined) {
      const inner = producer.ints('perm')
      if (inner === undefined || perm.some((axis, place) => inner[axis] !== place)) {
        return `the transpose ${producer} is not undone`
      }
      leaves.set(value, producer.inputs[0])
      cancelled++
      return undefined
    }
    if (isStretchedView(context.shape(value), context.shape(end), perm)) {
      leaves.set(value, undefined)
      return undefined
    }
    if (producer === undefined || !isInside(producer) || producer.outputs.length !== 1)
      return `"${value}" is not transposed`
    if (visited.size > largestRegion) return 'too many nodes lie between the transposes'
    const operands = firstInputOnly.has(producer.op) ? producer.inputs.slice(0, 1) : producer.inputs
    for (const operand of operands) {
      const reason = operand && visit(operand)
      if (reason !== undefined) return reason
    }
    nodes.push(producer)
    return undefined
  }
  const reason = visit(end)
  if (cancelled === 0) return undefined
  return reason ?? { nodes, leaves: Array.from(leaves, ([value, replacement]) => ({ value, replacement })) }
}

/** Whether a value is stretched along some axis, and its transpose no more than a view: the axes that are not 1 keep their order. */
function isStretchedView(shape: Shape, end: Shape, perm: readonly number[]): boolean {
  if (shape === undefined || end === undefined || shape.length !== perm.length) return false
  const others = (dims: readonly Dim[]): number => dims.filter((dim) => dim !== 1).length
  return others(shape) < others(end) && keepsOrder(perm, shape)
}

/** Nothing outside may use what is computed between the transposes. */
function whyNotClosed({ nodes }: Region, root: Node): string | undefined {
  const inside = new Set([...nodes, root])
  const used = nodes.find(({ output }) => output.isOutput || [...output.users].some((user) => !inside.has(user)))
  return used && `"${used.output}" is used outside the transposes`
}

/** A constant as the untransposed data sees it: one element stays, a lower rank is filled up with ones first. */
function transposedConstant(value: Value, tensor: Tensor, perm: readonly number[]): Value | Tensor | undefined {
  if (tensor.dims.length === 0) return value
  if (tensor.dims.length > perm.length) return undefined
  if (value.users.size > 1 && tensor.byteLength > largestCopy) return undefined
  const filled = tensor.reshape([...new Array<number>(perm.length - tensor.dims.length).fill(1), ...tensor.dims])
  return filled.transpose(perm)
}

function rebuild(node: Node, rebuilt: ReadonlyMap<Value, Value>, perm: readonly number[], graph: GraphBuilder): Value {
  const inputs = node.inputs.map((input) => input && (rebuilt.get(input) ?? input))
  const attributes = new Map(node.attributes)
  if (!node.is('Concat')) return graph.op(node.op, inputs, [...attributes.values()], { like: node })
  const axis = node.int('axis', 1)
  return graph.op('Concat', inputs, { axis: perm.indexOf(axis < 0 ? axis + perm.length : axis) }, { like: node })
}
