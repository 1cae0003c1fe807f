import { type ElementType, type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim, sameShape } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { any, either, type Match, node, product, scalar, sum } from '../pattern.ts'
import {
  type Axis,
  arrange,
  arrangementsOf,
  follow,
  nodesToArrange,
  type ScaledArrangement,
  sizeOf,
  sizesOf,
} from './arrangement.ts'
import { attentionBias, type ScoreShape, whereBias } from './attention-mask.ts'
import { microsoft } from './microsoft.ts'

const [query, key, value, mask, secondMask, condition] = [any(), any(), any(), any(), any(), any()]
const [factor, fill] = [scalar(), scalar()]
const matmul = node('MatMul', [query, key])
const scaled = either(product(factor, [matmul]), matmul)
const hidden = node('Where', [condition, fill, scaled])
const shown = node('Where', [condition, scaled, fill])
const chosen = either(hidden, shown, scaled)
const masked = either(sum(0, [chosen, mask]), sum(0, [chosen, mask, secondMask]), chosen)
const softmax = node('Softmax', [masked])

/**
 * softmax(Q·Kᵀ·s + M)·V → MultiHeadAttention(Q, K, V; M, s), for Q, K, V of [B, N, S, H] or [B, S, H]. The scale may be on Q, K or the scores,
 * K may come transposed, and masks are added, or chosen by Where. The views that split and merge the heads are taken in, and so are the biases of
 * the three projections. Masks are given as attention bias: the runtime's key padding mask does not run on WebGPU.
 */
export const multiHeadAttention = defineFusion({
  name: 'multi-head-attention',
  pattern: node('MatMul', [softmax, value]),
  conditions: [
    (_match, { target }) => (target === 'onnx' ? 'MultiHeadAttention is not in the ONNX standard' : undefined),
    (match, context) => {
      const stretched = !sameShape(context.shape(match.value(softmax)), context.shape(match.value(matmul)))
      return stretched ? 'what is added to the scores stretches them, or their shape is not known' : undefined
    },
    (match, context) => {
      const rank = context.shape(match.value(softmax))?.length
      if (rank !== 3 && rank !== 4) return `it has rank ${rank}, not 3 or 4`
      const axis = match.node(softmax).int('axis', match.root.opset < 13 ? 1 : -1)
      return axis === -1 || axis === rank - 1 ? undefined : `its Softmax is over axis ${axis}, not the last`
    },
  ],
  replace(match, graph, context) {
    const elementType = context.elementType(match.value(value))
    if (elementType !== 'float32' && elementType !== 'float16') return `the runtime has no kernel for ${elementType}`
    const [q, k, v] = [query, key, value].map((side) => headsOf(match.value(side), side === key, context))
    // A number on the values is no part of the operator: they are taken below it.
    const unscaled = v?.filter(({ scale }) => scale === 1)
    if (q?.[0] === undefined || k?.[0] === undefined || unscaled?.[0] === undefined)
      return 'the rank of Q, K or V is not known, or another than 3 and 4'
    const shape = scoreShape(q[0], k[0], unscaled[0])
    if (typeof shape === 'string') return shape
    const scale = (match.has(factor) ? match.number(factor) : 1) * q[0].scale * k[0].scale
    // The runtime takes 0, and what float32 makes of less, for a scale that is not given.
    if (!(Math.fround(scale) > 0) || !Number.isFinite(Math.fround(scale)))
      return `its scale is ${scale}, not above 0 and finite`
    // Ways that leave a number in are others.
    const sameScale = (ways: Heads[]): Heads[] => ways.filter((way) => way.scale === ways[0]?.scale)
    const inputs = projections(graph, sameScale(q), sameScale(k), unscaled, context)
    if (inputs === undefined) return undefined
    const bias = maskOf(match, graph, shape, inputs[0], elementType, context)
    if (typeof bias === 'string') return bias
    const operands = [...withoutBiases(inputs, elementType, context), ...(bias === undefined ? [] : [undefined, bias])]
    if (bias !== undefined && operands.length < 6) operands.splice(3, 0, undefined)
    const attributes = { num_heads: shape.heads, scale }
    return unmerged(
      graph,
      match.root,
      microsoft(graph, match.root, 'MultiHeadAttention', operands, attributes).output,
      context,
    )
  },
})

/** One way to see queries, keys or values as a rearrangement of what the model projected. Axes: batch, heads, positions, features. */
export interface Heads extends ScaledArrangement {
  readonly axes: readonly [Axis, Axis, Axis, Axis]
}

/** The ways, the one furthest up first. Keys come with features before positions; without an axis for the heads, there is one. */
function headsOf(side: Value, isKey: boolean, context: FusionContext): Heads[] {
  return arrangementsOf(side, context).flatMap((arrangement) => {
    const { to } = arrangement
    const [batch, heads, first, second] = to.length === 3 ? [to[0], [], to[1], to[2]] : to
    if (batch === undefined || heads === undefined || first === undefined || second === undefined) return []
    const axes: Heads['axes'] = isKey ? [batch, heads, second, first] : [batch, heads, first, second]
    return [{ ...arrangement, axes }]
  })
}

/**
 * The sizes attention is over, where those of Q, K and V agree without broadcasting and the runtime wants no more than it can do. The heads of V
 * may have a size of their own.
 */
function scoreShape(q: Heads, k: Heads, v: Heads): ScoreShape | string {
  const [batch, queries, keys] = [sizeOf(q.axes[0]), sizeOf(q.axes[2]), sizeOf(k.axes[2])]
  const [heads, size, valueSize] = [sizeOf(q.axes[1]), sizeOf(q.axes[3]), sizeOf(v.axes[3])]
  if (typeof heads !== 'number' || typeof size !== 'number' || heads * size === 0)
    return `heads and their size are ${heads} and ${size}, not numbers above 0`
  if (typeof valueSize !== 'number' || valueSize === 0)
    return `the size of a value's heads is ${valueSize}, not a number above 0`
  const agree =
    sameShape(sizesOf(k.axes), [batch, heads, keys, size]) &&
    sameShape(sizesOf(v.axes), [batch, heads, keys, valueSize])
  return agree ? { batch, heads, queries, keys, size } : 'Q, K and V differ in batch or heads, or Q and K in head size'
}

const mergedAxes = ({ axes: [batch, heads, positions, features] }: Heads): Axis[] => [
  batch,
  positions,
  [...heads, ...features],
]

const separateAxes = ({ axes }: Heads): readonly Axis[] => axes

function projections(
  graph: GraphBuilder,
  q: Heads[],
  k: Heads[],
  v: Heads[],
  context: FusionContext,
): [Value, Value, Value] | undefined {
  const queries = arrangeCheapest(graph, q, mergedAxes, context)
  const others = queries && keysAndValues(graph, k, v, context)
  return others && [queries, ...others]
}

/**
 * K and V of [B, T, N·H], as Q is of [B, S, N·H], or both of [B, N, T, H], which the runtime takes as well: whichever is nearer to what the model
 * has. The second only where their heads are of one size. undefined where a shape cannot be written.
 */
export function keysAndValues(
  graph: GraphBuilder,
  k: Heads[],
  v: Heads[],
  context: FusionContext,
): [Value, Value] | undefined {
  const cost = (axes: (way: Heads) => readonly Axis[]): number => nodesFor(k, axes) + nodesFor(v, axes)
  const [size, valueSize] = [k, v].map(([way]) => way && sizeOf(way.axes[3]))
  const axes = sameDim(size, valueSize) && cost(separateAxes) < cost(mergedAxes) ? separateAxes : mergedAxes
  const [keys, values] = [k, v].map((ways) => arrangeCheapest(graph, ways, axes, context))
  return keys && values ? [keys, values] : undefined
}

/** The nodes that a way takes: those it leaves standing above, and those it adds. */
const nodes = (way: Heads, above: number, axes: (way: Heads) => readonly Axis[]): number =>
  above + nodesToArrange(way, axes(way))

const nodesFor = (ways: Heads[], axes: (way: Heads) => readonly Axis[]): number =>
  Math.min(...ways.map((way, above) => nodes(way, above, axes)))

function arrangeCheapest(
  graph: GraphBuilder,
  ways: Heads[],
  axes: (way: Heads) => readonly Axis[],
  context: FusionContext,
): Value | undefined {
  const sorted = ways.map((way, above) => ({ way, cost: nodes(way, above, axes) })).sort((a, b) => a.cost - b.cost)
  for (const { way } of sorted) {
    const value = arrange(graph, way, axes(way), context)
    if (value !== undefined) return value
  }
  return undefined
}

/** The sum of all that is added to the scores, as attention bias; undefined where there is nothing, a reason where it does not fit. */
function maskOf(
  match: Match,
  graph: GraphBuilder,
  scores: ScoreShape,
  queries: Value,
  elementType: ElementType,
  context: FusionContext,
): Value | string | undefined {
  const axes = context.shape(match.value(softmax))?.length === 3 ? [0, 2, 3] : [0, 1, 2, 3]
  const parts: Value[] = []
  if (match.has(condition)) {
    const bias = whereBias(graph, match.value(condition), match.has(hidden), match.number(fill), elementType)
    if (typeof bias === 'string') return bias
    parts.push(bias)
  }
  for (const part of [mask, secondMask]) if (match.has(part)) parts.push(match.value(part))
  const [first, ...rest] = parts
  if (first === undefined) return undefined
  return attentionBias(
    graph,
    rest.reduce((total, part) => graph.op('Add', [total, part]), first),
    axes,
    scores,
    queries,
    context,
  )
}

/** Takes the biases of the projections out of Q, K and V: the operator adds them when it moves the heads anyway. */
function withoutBiases(
  inputs: readonly [Value, Value, Value],
  elementType: ElementType,
  context: FusionContext,
): (Value | Tensor | undefined)[] {
  const widths = inputs.map((input) => context.shape(input)?.[2])
  const found = inputs.map((input, index) => {
    const { producer: add } = input
    const bias = add?.is('Add') ? add.inputs.find((operand) => operand?.constant?.dims.length === 1) : undefined
    const data = add?.inputs.find((operand) => operand !== bias)
    const fits =
      bias?.constant !== undefined &&
      sameDim(bias.constant.size, widths[index]) &&
      input.users.size <= 1 &&
      !input.isOutput
    return fits && data && sameShape(context.shape(data), context.shape(input))
      ? { data, bias: bias.constant }
      : undefined
  })
  const flat = inputs.every((input) => context.shape(input)?.length === 3)
  if (!flat || !widths.every((width) => typeof width === 'number') || found.every((one) => one === undefined))
    return [...inputs]
  const numbers = widths.flatMap((width, index) =>
    Array.from(found[index]?.bias.toNumbers() ?? new Float64Array(width)),
  )
  const bias = Tensor.fromNumbers(elementType, [numbers.length], numbers)
  return [...inputs.map((input, index) => found[index]?.data ?? input), bias]
}

/** What takes the place of the root's output, or of the last of the views behind it that only rearrange: [B, S, N·H] rearranged. */
function unmerged(graph: GraphBuilder, root: Node, attended: Value, context: FusionContext): Replacement[] | undefined {
  const chain: Node[] = []
  for (let output = root.output; !output.isOutput && output.users.size === 1; ) {
    const [user] = output.users
    if (user === undefined || user.graph !== root.graph || user.inputs[0] !== output) break
    if (follow(root.output, [...chain, user], context) === undefined) break
    chain.push(user)
    output = user.output
  }
  for (let length = chain.length; length >= 0; length--) {
    const arrangement = follow(root.output, chain.slice(0, length), context)
    if (arrangement === undefined) continue
    const { from, to } = arrangement
    const [batch = [], heads = [], positions = [], features = []] =
      from.length === 3 ? [from[0], [], from[1], from[2]] : from
    const made = { source: attended, from: [batch, positions, [...heads, ...features]], to: [] }
    const result = arrange(graph, made, to, context)
    if (result !== undefined) return [{ from: chain[length - 1]?.output ?? root.output, to: result }]
  }
  return undefined
}
