import {
  elementTypes,
  type GraphBuilder,
  int64,
  type Node,
  type Operand,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'
import { reduce } from './reduce.ts'

/** Masks of more elements are made by the runtime: they would weigh more than the nodes that make them. */
const largestConstant = 2 ** 16

/**
 * Attention(Q, K, V; M) of the ONNX standard → softmax(Q·Kᵀ·s + M)·V, with the past before K and V, and heads of K and V repeated for their
 * group; multi-head-attention then takes it for the runtime's own operator where that does all of it.
 */
export const lowerAttention = defineLowering({
  name: 'lower-attention',
  op: 'Attention',
  form: ['Reshape', 'Transpose', 'Concat', 'MatMul', 'Mul', 'Add', 'Where', 'Softmax'],
  lower(root, graph, context) {
    const sides = [heads(root, 0, graph, context), heads(root, 1, graph, context), heads(root, 2, graph, context)]
    const reason = sides.find((side) => typeof side === 'string') ?? whyNotLowered(root, context)
    if (typeof reason === 'string') return reason
    const [q, newK, newV] = sides.filter((side) => typeof side === 'object')
    if (q === undefined || newK === undefined || newV === undefined) return undefined
    const [pastK, pastV] = root.inputs.slice(4, 6)
    const k = withPast(newK, pastK, graph, context)
    const v = withPast(newV, pastV, graph, context)
    const group = groupSize(q, k)
    if (typeof group === 'string') return group
    const hiding = hidingOf(root, q, k, pastK, graph, context)
    if (typeof hiding === 'string') return hiding

    const number = numberLike(q.value, context)
    const keys = graph.op('Transpose', [repeatHeads(k, group, graph).value], { perm: [0, 1, 3, 2] })
    const scale = root.float('scale', 1 / Math.sqrt(q.size))
    const scores = graph.op('Mul', [graph.op('MatMul', [q.value, keys]), number(scale)])
    const cap = root.float('softcap', 0)
    const capped =
      cap === 0
        ? scores
        : graph.op('Mul', [graph.op('Tanh', [graph.op('Mul', [scores, number(1 / cap)])]), number(cap)])
    const biased = hiding.bias.reduce((sum: Value, one) => graph.op('Add', [sum, one]), capped)
    const masked = hiding.shown ? graph.op('Where', [hiding.shown, biased, number(lowest(q, context))]) : biased
    const weights = softmax(root, masked, graph, context)
    const averages = graph.op('MatMul', [weights, repeatHeads(v, group, graph).value])
    const heads4 = hiding.seesAny ? graph.op('Mul', [averages, hiding.seesAny]) : averages
    const isFlat = context.shape(root.inputs[0] ?? q.value)?.length === 3
    const y = isFlat
      ? graph.op(
          'Reshape',
          [graph.op('Transpose', [heads4], { perm: [0, 2, 1, 3] }), int64([0, 0, q.heads * v.size])],
          {},
          { like: root },
        )
      : heads4
    return [y, k.value, v.value, root.int('qk_matmul_output_mode', 0) === 3 ? weights : scores].slice(
      0,
      root.outputs.length,
    )
  },
})

/** Q, K or V as [batch, heads, positions, size of a head]. */
interface Heads {
  readonly value: Value
  readonly heads: number
  readonly size: number
  readonly positions: Dim | undefined
}

function heads(root: Node, index: number, graph: GraphBuilder, context: FusionContext): Heads | string | undefined {
  const value = root.inputs[index]
  const shape = value && context.shape(value)
  if (value === undefined || (shape?.length !== 3 && shape?.length !== 4)) return `the rank of "${value}" is not known`
  if (shape.length === 4) {
    const [, count, positions, size] = shape
    return typeof count === 'number' && typeof size === 'number'
      ? { value, heads: count, size, positions }
      : `heads and their size are ${count} and ${size} in "${value}", not numbers`
  }
  const [, positions, width] = shape
  const count = root.int(index === 0 ? 'q_num_heads' : 'kv_num_heads')
  if (count === undefined || typeof width !== 'number') return `the width of "${value}" is not known`
  const split = graph.op('Reshape', [value, int64([0, 0, count, width / count])])
  const moved = graph.op('Transpose', [split], { perm: [0, 2, 1, 3] })
  return { value: moved, heads: count, size: width / count, positions }
}

/** What the runtime and the standard take in different orders, or what has no form. */
function whyNotLowered(root: Node, context: FusionContext): string | undefined {
  const [query, , , mask, , , length] = root.inputs
  const isMasked = mask !== undefined || root.int('is_causal', 0) === 1
  if (root.opset > 24) return `it is of opset ${root.opset}`
  if (length !== undefined) return 'the lengths of its keys are an input'
  if (isMasked && root.float('softcap', 0) !== 0)
    return 'softcap and a mask: the runtime and the standard differ in their order'
  const mode = root.int('qk_matmul_output_mode', 0)
  if (root.outputs[3] !== undefined && mode !== 0 && mode !== 3)
    return `it outputs scores of mode ${mode}: the runtime and the standard differ in what that is`
  const precision = root.int('softmax_precision')
  const known = [elementTypes.float32.code, query && elementTypes[context.elementType(query) ?? 'float32'].code]
  if (precision !== undefined && !known.includes(precision)) return `its softmax is of another type (${precision})`
  return undefined
}

function withPast(now: Heads, past: Value | undefined, graph: GraphBuilder, context: FusionContext): Heads {
  if (past === undefined) return now
  const value = graph.op('Concat', [past, now.value], { axis: 2 })
  const before = context.shape(past)?.[2]
  const positions = typeof before === 'number' && typeof now.positions === 'number' ? before + now.positions : undefined
  return { ...now, value, positions }
}

/** How many heads of Q share one of K and V. */
const groupSize = (q: Heads, k: Heads): number | string =>
  q.heads % k.heads === 0 ? q.heads / k.heads : `its ${q.heads} heads are no multiple of the keys' ${k.heads}`

/** Each head as often as Q's heads share it, one after the other. */
function repeatHeads(side: Heads, times: number, graph: GraphBuilder): Heads {
  if (times === 1) return side
  const apart = graph.op('Unsqueeze', [side.value, int64([2])])
  const repeated = graph.op('Expand', [apart, int64([1, 1, times, 1, 1])])
  // The batch and the positions may be open: only one of them can be worked out, the other is the input's own.
  const merged = graph.op('Reshape', [repeated, int64([0, side.heads * times, -1, side.size])])
  return { ...side, value: merged, heads: side.heads * times }
}

function softmax(root: Node, scores: Value, graph: GraphBuilder, context: FusionContext): Value {
  const precision = root.int('softmax_precision')
  const own = elementTypes[context.elementType(scores) ?? 'float32'].code
  if (precision === undefined || precision === own) return graph.op('Softmax', [scores], { axis: -1 })
  const weights = graph.op('Softmax', [graph.op('Cast', [scores], { to: precision })], { axis: -1 })
  return graph.op('Cast', [weights], { to: own })
}

/** What hides keys from queries. */
interface Hiding {
  /** What is added to the scores. */
  readonly bias: readonly Operand[]
  /** Where a score counts at all. */
  readonly shown?: Value
  /** 1 for queries that see some key, 0 for others, of which the runtime makes zeros. */
  readonly seesAny?: Value
}

function hidingOf(
  root: Node,
  q: Heads,
  k: Heads,
  past: Value | undefined,
  graph: GraphBuilder,
  context: FusionContext,
): Hiding | string {
  const mask = root.inputs[3]
  const isCausal = root.int('is_causal', 0) === 1
  if (mask === undefined) return isCausal ? causal(q, k, past, graph, context) : { bias: [] }
  const length = context.shape(mask)?.at(-1)
  const isShorter = typeof length === 'number' && typeof k.positions === 'number' && length !== k.positions
  // Since opset 24 a mask may be shorter than the keys.
  if (isShorter || (root.opset >= 24 && !sameDim(length, k.positions)))
    return `its mask is for ${length} keys of ${k.positions}`
  if (context.elementType(mask) !== 'bool') {
    const { bias, shown } = isCausal ? causal(q, k, past, graph, context) : { bias: [] }
    return { bias: [mask, ...bias], ...(shown && { shown }) }
  }
  const shown = isCausal ? graph.op('And', [mask, triangle(q, k, past, graph, context)]) : mask
  const type = context.elementType(q.value) ?? 'float32'
  const ones = graph.op('Cast', [shown], { to: elementTypes[type].code })
  const seesAny = reduce(graph, 'ReduceMax', ones, [-1])
  // Scores of float16 can be as large as its lowest number.
  if (type === 'float16') return { bias: [], shown, seesAny }
  const number = numberLike(q.value, context)
  return { bias: [graph.op('Where', [shown, number(0), number(lowest(q, context))])], seesAny }
}

/** Keys after the query are hidden: the first one is never, without a mask. */
function causal(q: Heads, k: Heads, past: Value | undefined, graph: GraphBuilder, context: FusionContext): Hiding {
  const shown = constantTriangle(q, k, past, context)
  if (shown === undefined) return { bias: [], shown: triangle(q, k, past, graph, context) }
  const numbers = Array.from(shown.toNumbers(), (visible) => (visible ? 0 : Number.NEGATIVE_INFINITY))
  return { bias: [Tensor.fromNumbers(context.elementType(q.value) ?? 'float32', shown.dims, numbers)] }
}

/** Which of the keys are not after the query, those of the past being before all of them. */
function triangle(q: Heads, k: Heads, past: Value | undefined, graph: GraphBuilder, context: FusionContext): Value {
  const known = constantTriangle(q, k, past, context)
  if (known !== undefined) return graph.constant(known)
  const size = (value: Value): Value => graph.op('Shape', [value], { start: 2, end: 3 })
  const sizes = graph.op('Concat', [size(q.value), size(k.value)], { axis: 0 })
  const shift = past === undefined ? int64(0) : graph.op('Squeeze', [size(past), int64([0])])
  const ones = graph.op('Expand', [numberLike(q.value, context)(1), sizes])
  return graph.op('Cast', [graph.op('Trilu', [ones, shift], { upper: 0 })], { to: elementTypes.bool.code })
}

function constantTriangle(q: Heads, k: Heads, past: Value | undefined, context: FusionContext): Tensor | undefined {
  const [rows, columns, before] = [q.positions, k.positions, past === undefined ? 0 : context.shape(past)?.[2]]
  if (typeof rows !== 'number' || typeof columns !== 'number' || typeof before !== 'number') return undefined
  if (rows * columns > largestConstant) return undefined
  const shown = Array.from({ length: rows * columns }, (_, index) =>
    Number(index % columns <= Math.floor(index / columns) + before),
  )
  return Tensor.fromNumbers('bool', [rows, columns], shown)
}

/** The lowest number of a type. */
const lowest = (q: Heads, context: FusionContext): number =>
  context.elementType(q.value) === 'float16' ? -65504 : -3.4028234663852886e38
