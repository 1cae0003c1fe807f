import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { type Axis, arrange, arrangementsOf } from './arrangement.ts'

/**
 * Gather(v, 0), Gather(v, 1), …, Gather(v, n − 1) along an axis of size n → one Split. Packed queries, keys and values are taken apart so; where v
 * is a rearrangement of what a layer projected, that is split instead, and the views come after.
 */
export const gathersToSplit = defineFusion({
  name: 'gathers-to-split',
  roots: ['Gather'],
  rewrite(root, graph, context) {
    const [data] = root.inputs
    const rank = data && context.shape(data)?.length
    const axis = axisOf(root, rank)
    if (data === undefined || axis === undefined || indexOf(root) === undefined) return undefined
    const gathers = [...data.users]
    const alike = gathers.every(
      (user) =>
        user.is('Gather') && user.graph === root.graph && user.inputs[0] === data && axisOf(user, rank) === axis,
    )
    const size = context.shape(data)?.[axis]
    if (!alike || data.isOutput || typeof size !== 'number' || size < 2) return undefined
    const indices = gathers.map((gather) => indexOf(gather, size))
    const all = indices.length === size && new Set(indices).size === size && !indices.includes(undefined)
    if (!all) return undefined
    const pieces = splitBeforeViews(graph, data, axis, false, context)
    if (typeof pieces === 'string') return pieces
    return gathers.flatMap((gather, position): Replacement[] => {
      const to = pieces[indices[position] ?? 0]
      return to === undefined ? [] : [{ from: gather.output, to }]
    })
  },
})

/** Split(views(x)) into slices of size 1 → views(Split(x)), where the views made that axis of a part of x's. */
export const splitThroughViews = defineFusion({
  name: 'split-through-views',
  roots: ['Split'],
  rewrite(root, graph, context) {
    const [data] = root.inputs
    const shape = data && context.shape(data)
    const axis = axisOf(root, shape?.length)
    if (data === undefined || axis === undefined || shape?.[axis] !== root.outputs.length || root.outputs.length < 2)
      return undefined
    const sizes = root.outputs.map((output) => output && context.shape(output)?.[axis])
    if (sizes.some((size) => size !== 1)) return undefined
    const pieces = splitBeforeViews(graph, data, axis, true, context)
    if (typeof pieces === 'string') return pieces
    return root.outputs.flatMap((from, index): Replacement[] => {
      const to = pieces[index]
      return from === undefined || to === undefined ? [] : [{ from, to }]
    })
  },
})

/** The slices of a value along an axis, with that axis kept at size 1 or dropped: views of a Split of what the value is a view of. */
function splitBeforeViews(
  graph: GraphBuilder,
  data: Value,
  axis: number,
  keep: boolean,
  context: FusionContext,
): Value[] | string {
  for (const { source, from, to, scale } of arrangementsOf(data, context)) {
    // A Split of the value itself is what there is already.
    if (keep && source === data) break
    const [part, ...more] = to[axis] ?? []
    const place = from.findIndex(([first]) => first === part)
    const split = from[place]
    if (scale !== 1 || part === undefined || split === undefined || more.length > 0 || typeof part.size !== 'number')
      continue
    const width =
      split.reduce((product, { size }) => (typeof size === 'number' ? product * size : Number.NaN), 1) / part.size
    if (!Number.isInteger(width)) continue
    const without = (axes: readonly Axis[], at: number, kept: boolean): Axis[] =>
      axes.flatMap((one, index) => (index === at ? (kept ? [one.slice(1)] : []) : [one]))
    const pieces = splitInto(graph, source, place, part.size, width)
    // In the source the rest of the axis stays, in the result the axis is of size 1, or gone.
    const rest = { source, from: without(from, place, true), to }
    const results = pieces.map((piece) => arrange(graph, { ...rest, source: piece }, without(to, axis, keep)))
    if (results.every((result) => result !== undefined)) return results
  }
  return 'the axis is not one that its source can be split along'
}

function splitInto(graph: GraphBuilder, value: Value, axis: number, count: number, width: number): Value[] {
  const sizes = new Array<number>(count).fill(width)
  const node =
    graph.graph.model.opset >= 13
      ? graph.node('Split', [value, int64(sizes)], { axis }, { outputs: count })
      : graph.node('Split', [value], { axis, split: sizes }, { outputs: count })
  return node.outputs.flatMap((output) => (output === undefined ? [] : [output]))
}

function axisOf(node: Node, rank: number | undefined): number | undefined {
  const axis = node.int('axis', 0)
  return rank === undefined ? undefined : axis < 0 ? axis + rank : axis
}

/** The constant index of a Gather that drops its axis; undefined for others. */
function indexOf(gather: Node, size = 0): number | undefined {
  const index = gather.inputs[1]?.constant
  const number = index?.dims.length === 0 ? index.scalar : undefined
  return number !== undefined && number < 0 ? number + size : number
}
