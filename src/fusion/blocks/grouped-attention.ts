import { type GraphBuilder, int64, type Node, Tensor, type Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { type Arrangement, type Axis, arrange, arrangementsOf } from './arrangement.ts'
import { byMember, type HeadGroups, productByMember, projectedByMember } from './head-order.ts'
import { microsoft, microsoftDomain } from './microsoft.ts'
import { keysAndValues } from './multi-head-attention.ts'
import { repeatedHeads } from './repeated-heads.ts'

/**
 * MultiHeadAttention(Q, repeat(K), repeat(V); M) → MultiHeadAttention(Q′, K, V; M′), where each of the heads of K and V, K of them, is there G times: the
 * G heads of Q that share one are further queries of it. Q of [B, S, K·G·H] becomes Q′ of [B, S·G, K·H], the rows of M are repeated, and the result
 * goes back. The weights that project Q and the result are ordered for that where they can be, so that nothing is moved.
 *
 * GroupQueryAttention hides what comes after a query, which a model with a mask does for itself: for a query that sees no key at all, it would weigh
 * other keys. This is the same for every mask.
 */
export const groupedAttention = defineFusion({
  name: 'grouped-attention',
  roots: [`${microsoftDomain}::MultiHeadAttention`],
  rewrite(root, graph, context) {
    const [query, key, value, bias, padding, mask, ...past] = root.inputs
    const count = root.int('num_heads', 0)
    const [k, v] = [key, value].map((side) => side && repeatedHeads(side, count, context))
    if (query === undefined || k === undefined || v === undefined) return undefined
    if (k.times !== v.times) return 'keys and values are not repeated alike'
    const plain = ![padding, ...past].some((input) => input !== undefined) && !root.int('unidirectional', 0)
    if (!plain || root.outputs.length > 1) return 'it has a past, or a mask of its own'
    const shape = context.shape(query)
    const features = shape?.[2]
    const [own] = arrangementsOf(query, context).slice(-1)
    if (shape?.length !== 3 || typeof features !== 'number' || own === undefined)
      return 'the width of its queries is not known'
    const heads = { groups: count / k.times, members: k.times, size: features / count }
    const ofQueries = bias && biasOfQueries(bias, features)
    if (typeof ofQueries === 'string') return ofQueries
    const others = keysAndValues(graph, k.ways, v.ways, context)
    if (others === undefined) return undefined
    const rows = mask && repeatedRows(graph, mask, heads.members, context)
    if (typeof rows === 'string') return rows
    const layout = layoutOf(own, heads)
    const [batch = 0] = shape
    // A computed shape would be right for no batch at all, too, at the cost of a node for each layer: then the rows cannot be inferred.
    const hasBatch = { isPositive: (dim: Dim): boolean => context.isPositive(dim) || sameDim(dim, batch) }
    const queries = memberQueries(graph, query, ofQueries, layout, heads, hasBatch)
    if (queries === undefined) return undefined
    const inputs = [queries, ...others, ...(rows === undefined ? [] : [undefined, undefined, rows])]
    const attributes = { num_heads: heads.groups, scale: root.float('scale', 1 / Math.sqrt(heads.size)) }
    const attended = microsoft(graph, root, 'MultiHeadAttention', inputs, attributes).output
    return result(graph, root, attended, layout, heads, hasBatch)
  },
})

/** How queries lie before, by group; in the order of members; and as further queries: [B, S, K·G·H], [B, S, G·K·H], [B, S·G, K·H]. */
type Layout = Readonly<Record<'byGroup' | 'byMember' | 'asQueries', readonly Axis[]>>

function layoutOf({ from: [batch = [], queries = []] }: Arrangement, { groups, members, size }: HeadGroups): Layout {
  const [ofGroups, ofMembers, features] = [groups, members, size].map((one): Axis => (one === 1 ? [] : [{ size: one }]))
  const join = (...axes: (Axis | undefined)[]): Axis => axes.flatMap((axis) => axis ?? [])
  return {
    byGroup: [batch, queries, join(ofGroups, ofMembers, features)],
    byMember: [batch, queries, join(ofMembers, ofGroups, features)],
    asQueries: [batch, join(queries, ofMembers), join(ofGroups, features)],
  }
}

function memberQueries(
  graph: GraphBuilder,
  query: Value,
  bias: Tensor | undefined,
  layout: Layout,
  heads: HeadGroups,
  context: Pick<FusionContext, 'isPositive'>,
): Value | undefined {
  const projected = projectedByMember(graph, query, heads)
  const from = projected === undefined ? layout.byGroup : layout.byMember
  const added = projected === undefined ? bias : bias && byMember(bias, 0, heads)
  const source = projected ?? query
  const biased = added ? graph.op('Add', [source, added]) : source
  return arrange(graph, { source: biased, from, to: [] }, layout.asQueries, context)
}

/** What a bias of [3·N·H] adds to the queries, where it adds nothing to keys and values. */
function biasOfQueries({ constant }: Value, features: number): Tensor | string {
  const numbers = constant?.toNumbers()
  if (constant === undefined || numbers?.subarray(features).some((number) => number !== 0) !== false)
    return 'its keys or values have a bias once they are repeated'
  return Tensor.fromNumbers(constant.elementType, [features], numbers.subarray(0, features))
}

function result(
  graph: GraphBuilder,
  root: Node,
  attended: Value,
  layout: Layout,
  heads: HeadGroups,
  context: Pick<FusionContext, 'isPositive'>,
): Replacement[] | undefined {
  const made = { source: attended, from: layout.asQueries, to: [] }
  const [product] = whyShared(root.output) === undefined ? root.output.users : []
  const joined = product?.inputs[0] === root.output ? arrange(graph, made, layout.byMember, context) : undefined
  const multiplied = joined && productByMember(graph, product, joined, heads)
  if (product !== undefined && multiplied !== undefined) return [{ from: product.output, to: multiplied }]
  const back = arrange(graph, made, layout.byGroup, context)
  return back && [{ from: root.output, to: back }]
}

/** An attention bias of [B or 1, 1, S, T] with each row `times` times: [B or 1, 1, S·times, T]. The reason where it is another one for each head. */
function repeatedRows(graph: GraphBuilder, mask: Value, times: number, context: FusionContext): Value | string {
  const shape = context.shape(mask)
  if (shape?.length !== 4 || shape[1] !== 1) return 'its mask is not the same for all heads'
  if (sameDim(shape[2], 1)) return graph.op('Expand', [mask, int64([1, 1, times, 1])])
  const apart = graph.op('Transpose', [mask], { perm: [0, 2, 1, 3] })
  const repeated = graph.op('Expand', [apart, int64([1, 1, times, 1])])
  const rows = typeof shape[2] === 'number' ? shape[2] * times : -1
  return graph.op('Reshape', [repeated, int64([0, 1, rows, 0])])
}
