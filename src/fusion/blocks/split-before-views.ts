import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { type Axis, arrange, arrangementsOf, sizesOf } from './arrangement.ts'

/**
 * Gather(v, 0), Gather(v, 1), …, Gather(v, n − 1) along an axis of size n → one Split, each part squeezed. Packed queries, keys and values are
 * taken apart so; where the slices go to attention, as in split-through-views.
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
    const through = gathers.every(({ output }) => goesToAttention(output))
    // A slice may have users before the last one is taken.
    const first = gathers.reduce((earliest, gather) => (root.graph.precedes(gather, earliest) ? gather : earliest))
    const place = graph.before(first)
    const views = through ? splitBeforeViews(place, data, axis, false, context) : undefined
    const pieces =
      typeof views !== 'object'
        ? splitInto(place, data, axis, size, 1).map((piece) => squeezed(place, piece, axis))
        : views
    return gathers.flatMap((gather, position): Replacement[] => {
      const piece = pieces[indices[position] ?? 0]
      return piece === undefined ? [] : [{ from: gather.output, to: piece }]
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
    const pieces = splitInto(graph, source, place, part.size, width)
    const results = pieces.map((piece) => arrange(graph, { ...rest, source: piece }, rest.to))
    if (results.every((result) => result !== undefined)) return results
  }
  return 'the axis is not one that its source can be split along'
}

function squeezed(graph: GraphBuilder, value: Value, axis: number): Value {
  return graph.graph.model.opset >= 13
    ? graph.op('Squeeze', [value, int64([axis])])
    : graph.op('Squeeze', [value], { axes: [axis] })
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
