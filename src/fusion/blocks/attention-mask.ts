import { type ElementType, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'

/** The sizes attention is over; `size` is that of a head. */
export interface ScoreShape {
  readonly batch: Dim
  readonly heads: number
  readonly queries: Dim
  readonly keys: Dim
  readonly size: number
}

const inOrder = ({ batch, heads, queries, keys }: ScoreShape): Dim[] => [batch, heads, queries, keys]

/** A number so low that its exponential is 0 beside that of any score. */
const lowEnough = -1e4

/**
 * Scores replaced by a fill where a condition holds (`hides`), or where it does not, as something to add: the fill there, and 0 elsewhere.
 * That is the same only if the fill is −∞; or low, and each query keeps a key, which is known of a constant condition. Else the reason.
 */
export function whereBias(
  graph: GraphBuilder,
  condition: Value,
  hides: boolean,
  fill: number,
  elementType: ElementType,
): Value | string {
  if (fill !== Number.NEGATIVE_INFINITY) {
    if (fill > lowEnough) return `masked scores are ${fill}, which is not low enough`
    if (condition.constant === undefined) return `masked scores are ${fill}, and a query may be left without a key`
    const flags = condition.constant.toNumbers()
    const keys = condition.constant.dims.at(-1) ?? 1
    for (let row = 0; row < flags.length; row += keys) {
      const kept = flags.subarray(row, row + keys).some((flag) => (flag !== 0) !== hides)
      if (!kept) return `masked scores are ${fill}, and a query is left without a key`
    }
  }
  const [low, zero] = [fill, 0].map((number) => Tensor.fromNumbers(elementType, [], [number]))
  return graph.op('Where', hides ? [condition, low, zero] : [condition, zero, low])
}

/**
 * A value that is added to the scores, as the attention bias the runtime wants: of rank 4, [B or 1, N or 1, S, T], with S and T not 1 in their
 * stead. `axes` tells which of the four the scores have: rank 3 has no heads. The reason where it does not fit.
 */
export function attentionBias(
  graph: GraphBuilder,
  mask: Value,
  axes: readonly number[],
  scores: ScoreShape,
  query: Value,
  context: FusionContext,
): Value | string {
  const shape = context.shape(mask)
  const own = axes.slice(axes.length - (shape?.length ?? 0))
  const dims = shape && [0, 1, 2, 3].map((axis): Dim => shape[own.indexOf(axis)] ?? 1)
  const sizes = inOrder(scores)
  if (dims?.every((dim, axis) => dim === 1 || sameDim(dim, sizes[axis])) !== true)
    return `"${mask}" is [${shape?.join(', ')}], the scores are [${sizes.join(', ')}]`
  const missing = [0, 1, 2, 3].filter((axis) => !own.includes(axis))
  const full = missing.length === 0 ? mask : unsqueezed(graph, mask, missing)
  const stretch = [2, 3].filter((axis) => dims[axis] === 1 && sizes[axis] !== 1)
  return stretch.length === 0 ? full : stretched(graph, full, stretch, dims, sizes, query)
}

function unsqueezed(graph: GraphBuilder, value: Value, axes: readonly number[]): Value {
  const { constant } = value
  if (constant !== undefined) {
    const dims = [...constant.dims]
    for (const axis of axes) dims.splice(axis, 0, 1)
    return graph.constant(constant.reshape(dims))
  }
  return graph.graph.model.opset >= 13
    ? graph.op('Unsqueeze', [value, int64(axes)])
    : graph.op('Unsqueeze', [value], { axes: [...axes] })
}

/** The runtime does not broadcast along queries and keys. The same mask gives the same nodes in every layer, and those are merged. */
function stretched(
  graph: GraphBuilder,
  mask: Value,
  axes: readonly number[],
  dims: readonly Dim[],
  wanted: readonly Dim[],
  query: Value,
): Value {
  const sizes = [0, 1, 2, 3].map((axis): Tensor | Value => {
    const size = wanted[axis]
    if (!axes.includes(axis)) return int64([1])
    if (typeof size === 'number') return int64([size])
    // Queries are often as many as keys, and then the mask itself tells how many.
    const own = dims.findIndex((dim) => sameDim(dim, size))
    return own === -1 ? sizeOf(graph, query, 1) : sizeOf(graph, mask, own)
  })
  const numbers = sizes.flatMap((size) => (size instanceof Tensor ? Array.from(size.toNumbers()) : []))
  const shape = numbers.length === 4 ? int64(numbers) : graph.op('Concat', sizes, { axis: 0 })
  return graph.op('Expand', [mask, shape])
}

/** The size of an axis as a tensor of shape [1]. */
const sizeOf = (graph: GraphBuilder, value: Value, axis: number): Value =>
  graph.op('Gather', [graph.op('Shape', [value]), int64([axis])])
