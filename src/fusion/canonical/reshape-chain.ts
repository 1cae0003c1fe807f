import type { GraphBuilder, Node, Value } from '../../graph/index.ts'
import { type FusionContext, sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { integerOperand, nodeWithIntegers } from './integer-operand.ts'
import { copiesOtherSize, underShape, viewedValue } from './row-major-view.ts'

/**
 * Reshape, Flatten, Squeeze, Unsqueeze, and a Transpose that moves axes of size 1 only, one after another → one of them, or x where the last
 * gives back its shape.
 */
export const reshapeChain = defineFusion({
  name: 'reshape-chain',
  roots: ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'],
  rewrite(root, graph, context) {
    const between = viewedValue(root, context)
    const first = between?.producer
    const x = viewedValue(first, context)
    if (between === undefined || first === undefined || x === undefined) return undefined
    if (sameShape(context.shape(x), context.shape(root.output))) return x
    if (root.is('Transpose') && first.is('Transpose')) return undefined
    const axes = mergeAxes(first, root, context)
    if (axes?.length === 0) return x
    const shared = whyShared(between)
    if (shared !== undefined) return shared
    if (axes !== undefined) return nodeWithIntegers(graph, root.op, x, { axes }, { like: root })
    return reshape(x, first, root, graph, context)
  },
})

function reshape(x: Value, first: Node, root: Node, graph: GraphBuilder, context: FusionContext): Value | string {
  if (root.opset < 5) return 'Reshape takes its shape as an input since opset 5'
  if (copiesOtherSize(first, context) || copiesOtherSize(root, context))
    return 'a computed size may be 0, which copies another'
  const view = underShape(graph, x, [context.shape(x), context.shape(root.output)], context, { like: root })
  if (view !== undefined) return view
  const shape = throughBoth(first, root, context)
  if (shape === undefined) return 'more than one size of the result is not known, or one beside others that may be 0'
  return nodeWithIntegers(graph, 'Reshape', x, { shape }, { like: root })
}

/** The last Reshape's shape where it says all by itself: a 0 in it copies a size of the first result, which must be a number, or copied as well. */
function throughBoth(first: Node, root: Node, context: FusionContext): readonly number[] | undefined {
  if (!root.is('Reshape') || root.int('allowzero', 0) !== 0) return undefined
  const shape = integerOperand(root, 1, 'shape', context)
  if (typeof shape === 'string') return undefined
  const before = first.is('Reshape') && first.int('allowzero', 0) === 0 && integerOperand(first, 1, 'shape', context)
  if (before === false || typeof before === 'string') return undefined
  const resolved = shape.map((dim, axis) => (dim === 0 ? before[axis] : dim))
  return resolved.every((dim, axis) => dim !== undefined && (dim !== -1 || shape[axis] === -1))
    ? resolved.map((dim) => dim ?? 0)
    : undefined
}

/** The axes of two Squeezes or two Unsqueezes as those of one; none left of an Unsqueeze and the Squeeze (or the other way) that undoes it. */
function mergeAxes(first: Node, root: Node, context: FusionContext): readonly number[] | undefined {
  const [inner, outer] = [axesOf(first, context), axesOf(root, context)]
  if (inner === undefined || outer === undefined) return undefined
  if (first.op !== root.op) {
    const same = inner.length === outer.length && inner.every((axis) => outer.includes(axis))
    return same ? [] : undefined
  }
  const [kept, added] = root.op === 'Unsqueeze' ? [inner, outer] : [outer, inner]
  return [...kept.map((axis) => placeAmong(axis, added)), ...added].sort((a, b) => a - b)
}

/** The place of the axis of that number among those which are not in the list. */
function placeAmong(axis: number, others: readonly number[]): number {
  let place = -1
  for (let left = axis; left >= 0; left--) {
    do place++
    while (others.includes(place))
  }
  return place
}

/** The axes of a Squeeze or Unsqueeze, counted from the front. */
function axesOf(node: Node, context: FusionContext): readonly number[] | undefined {
  if (node.op !== 'Squeeze' && node.op !== 'Unsqueeze') return undefined
  const axes = integerOperand(node, 1, 'axes', context)
  if (typeof axes === 'string') return undefined
  if (axes.every((axis) => axis >= 0)) return axes
  const long = node.op === 'Squeeze' ? node.inputs[0] : node.output
  const rank = long && context.shape(long)?.length
  return rank === undefined ? undefined : axes.map((axis) => (axis < 0 ? axis + rank : axis))
}
