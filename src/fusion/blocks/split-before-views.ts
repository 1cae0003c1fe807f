import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import { splitInto } from '../canonical/split-into.ts'
import type { Dim, FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { singleAxisSlice } from '../linear/strided-slice.ts'
import { type Axis, arrange, arrangementsOf, sizesOf } from './arrangement.ts'

/**
 * v[0], v[1], …, v[n − 1] along an axis of size n, all by Gather (which drops the axis) or all by Slice (which keeps it) → one Split. Packed
 * queries, keys and values are taken apart so; where the pieces go to attention, as in split-through-views.
 */
export const unbindToSplit = defineFusion({
  name: 'unbind-to-split',
  roots: ['Gather', 'Slice'],
  rewrite(root, graph, context) {
    const [data] = root.inputs
    const shape = data && context.shape(data)
    const axis = shape && pieceOf(root, shape)?.axis
    if (data === undefined || shape === undefined || axis === undefined) return undefined
    const size = shape[axis]
    const takers = [...data.users]
    const alike = takers.every((user) => user.op === root.op && user.graph === root.graph && user.inputs[0] === data)
    if (!alike || data.isOutput || typeof size !== 'number' || size < 2 || takers.length !== size) return undefined
    const pieces = takers.map((taker) => pieceOf(taker, shape))
    const indices = new Set(pieces.map((piece) => (piece?.axis === axis ? piece.index : undefined)))
    if (indices.size !== size || indices.has(undefined)) return undefined
    const through = takers.every(({ output }) => goesToAttention(output))
    // A piece may have users before the last one is taken.
    const first = takers.reduce((earliest, taker) => (root.graph.precedes(taker, earliest) ? taker : earliest))
    const place = graph.before(first)
    const keep = root.op === 'Slice'
    const views = through ? splitBeforeViews(place, data, axis, keep, context) : undefined
    const parts =
      typeof views === 'object'
        ? views
        : splitInto(place, data, axis, new Array<number>(size).fill(1)).map((part) =>
            keep ? part : squeezed(place, part, axis),
          )
    return takers.flatMap((taker, position): Replacement[] => {
      const part = parts[pieces[position]?.index ?? 0]
      return part === undefined ? [] : [{ from: taker.output, to: part }]
    })
  },
})

/**
 * Split(views(x)) into slices of size 1 → views(Split(x)), where the slices go to attention: it takes their views in, and a Transpose of all that was
 * projected is saved.
 */
export const splitThroughViews = defineFusion({
  name: 'split-through-views',
  roots: ['Split'],
  rewrite(root, graph, context) {
    const [data] = root.inputs
    const shape = data && context.shape(data)
    const axis = axisOf(root, shape?.length)
    const count = root.outputs.length
    if (data === undefined || axis === undefined || shape?.[axis] !== count || count < 2) return undefined
    const isSlice = (output: Value | undefined): boolean => output !== undefined && context.shape(output)?.[axis] === 1
    if (!root.outputs.every(isSlice) || !root.outputs.every((output) => output && goesToAttention(output)))
      return undefined
    const pieces = splitBeforeViews(graph, data, axis, true, context)
    if (typeof pieces === 'string') return pieces
    return root.outputs.flatMap((from, index): Replacement[] => {
      const to = pieces[index]
      return from === undefined || to === undefined ? [] : [{ from, to }]
    })
  },
})

/** Whether views and scalings are all that lies between a value and a product of two computed values; who asks for shapes does not count. */
function goesToAttention(value: Value): boolean {
  const [user, ...others] = [...value.users].filter((one) => !one.is('Shape'))
  if (user === undefined || others.length > 0 || value.isOutput) return false
  if (user.is('MatMul')) return user.inputs.every((input) => input?.constant === undefined)
  const passes = user.domain === '' && ['Squeeze', 'Reshape', 'Transpose', 'Mul', 'Div'].includes(user.op)
  return passes && goesToAttention(user.output)
}

/** The slices of a value along an axis, which stays with size 1 or goes: views of a Split of what the value is a view of. */
function splitBeforeViews(
  graph: GraphBuilder,
  data: Value,
  axis: number,
  keep: boolean,
  context: FusionContext,
): Value[] | string {
  for (const { source, from, to, scale } of arrangementsOf(data, context)) {
    // A Split of the value itself is what there is already.
    if (source === data) break
    const [part, ...more] = to[axis] ?? []
    const place = from.findIndex(([first]) => first === part)
    const split = from[place]
    if (scale !== 1 || part === undefined || split === undefined || more.length > 0 || typeof part.size !== 'number')
      continue
    const [width] = sizesOf([split.slice(1)])
    if (typeof width !== 'number') continue
    const narrowed = (axes: readonly Axis[], at: number): Axis[] =>
      axes.map((one, index) => (index === at ? one.slice(1) : one))
    const rest = { from: narrowed(from, place), to: keep ? narrowed(to, axis) : to.toSpliced(axis, 1) }
    const pieces = splitInto(graph, source, place, new Array<number>(part.size).fill(width))
    const results = pieces.map((piece) => arrange(graph, { ...rest, source: piece }, rest.to, context))
    if (results.every((result) => result !== undefined)) return results
  }
  return 'the axis is not one that its source can be split along'
}

function squeezed(graph: GraphBuilder, value: Value, axis: number): Value {
  return graph.graph.model.opset >= 13
    ? graph.op('Squeeze', [value, int64([axis])])
    : graph.op('Squeeze', [value], { axes: [axis] })
}

function axisOf(node: Node, rank: number | undefined): number | undefined {
  const axis = node.int('axis', 0)
  return rank === undefined ? undefined : axis < 0 ? axis + rank : axis
}

/** What a Gather with a constant index that drops its axis, or a Slice of one element along one axis, takes. */
function pieceOf(node: Node, shape: readonly Dim[]): { axis: number; index: number } | undefined {
  return node.op === 'Gather' ? gatheredPiece(node, shape) : slicedPiece(node, shape)
}

function gatheredPiece(gather: Node, shape: readonly Dim[]): { axis: number; index: number } | undefined {
  const axis = axisOf(gather, shape.length)
  const indices = gather.inputs[1]?.constant
  const [size, index] = [
    axis === undefined ? undefined : shape[axis],
    indices?.dims.length === 0 ? indices.scalar : undefined,
  ]
  if (axis === undefined || typeof size !== 'number' || index === undefined) return undefined
  return index < -size || index >= size ? undefined : { axis, index: index < 0 ? index + size : index }
}

function slicedPiece(slice: Node, shape: readonly Dim[]): { axis: number; index: number } | undefined {
  // Sizes taken out of a vector of sizes are no tensors of data.
  const taken = shape.length < 2 ? undefined : singleAxisSlice(slice, shape.length)
  const size = taken && shape[taken.axis]
  if (taken?.step !== 1 || typeof size !== 'number') return undefined
  const within = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, 0), size)
  const index = within(taken.start)
  return within(taken.end) === index + 1 ? { axis: taken.axis, index } : undefined
}
