import type { GraphBuilder, Node, NodeOptions, Value } from '../../graph/index.ts'
import { Expression, exactDivide } from '../../graph/shapes/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import { nodeWithIntegers } from './integer-operand.ts'
import { keepsOrder } from './no-op-view.ts'

const reshaping = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'])

/** What a node that leaves the elements in their order in memory takes them from; undefined for every other node. */
export function viewedValue(node: Node | undefined, context: FusionContext): Value | undefined {
  if (node === undefined || node.domain !== '') return undefined
  const [x] = node.inputs
  if (reshaping.has(node.op)) return x
  return node.op === 'Transpose' && x && keepsOrder(node.ints('perm'), context.shape(x)) ? x : undefined
}

/**
 * x, which has a shape `from`, under a shape `to`: by Reshape, or by an Unsqueeze or Squeeze where it cannot be written as a constant and only sizes of
 * 1 come or go. undefined where it cannot be written.
 */
export function underShape(
  graph: GraphBuilder,
  x: Value,
  [from, to]: readonly [from: readonly Dim[] | undefined, to: readonly Dim[] | undefined],
  context: Pick<FusionContext, 'isPositive'>,
  options: NodeOptions = {},
): Value | undefined {
  const shape = reshapeOperand(from, to, context)
  if (shape !== undefined) return nodeWithIntegers(graph, 'Reshape', x, { shape }, options)
  const added = axesOfOne(from, to)
  if (added !== undefined) return nodeWithIntegers(graph, 'Unsqueeze', x, { axes: added }, options)
  const removed = axesOfOne(to, from)
  return removed && nodeWithIntegers(graph, 'Squeeze', x, { axes: removed }, options)
}

/** The axes of size 1 that the longer shape has more than the other; undefined where that is not all in which they differ. */
function axesOfOne(short: readonly Dim[] | undefined, long: readonly Dim[] | undefined): readonly number[] | undefined {
  if (short === undefined || long === undefined || short.length >= long.length) return undefined
  const rest = [...short]
  const added: number[] = []
  for (const [axis, dim] of long.entries()) {
    if (sameDim(dim, rest[0])) rest.shift()
    else if (dim === 1) added.push(axis)
    else return undefined
  }
  return rest.length === 0 ? added : undefined
}

/**
 * The constant shape with which Reshape makes `to` of a tensor of shape `from`: sizes as they are, 0 for one that stays in its place, and -1
 * for at most one that is known by name only, where all others are positive: no runtime infers a size beside a 0. undefined when there is none.
 */
export function reshapeOperand(
  from: readonly Dim[] | undefined,
  to: readonly Dim[] | undefined,
  { isPositive }: Pick<FusionContext, 'isPositive'>,
): readonly number[] | undefined {
  if (to === undefined) return undefined
  const operand = to.map((dim, axis) =>
    dim !== 0 && typeof dim === 'number' ? dim : sameDim(dim, from?.[axis]) ? 0 : -1,
  )
  const [inferred = -1, ...more] = operand.flatMap((dim, axis) => (dim === -1 ? [axis] : []))
  const isWritten =
    inferred === -1 || (more.length === 0 && to.every((dim, axis) => axis === inferred || isPositive(dim)))
  return isWritten ? operand : undefined
}

/**
 * Whether a Reshape's result is of another shape in runs in which a computed size is 0: that copies the size in its place, which may be none that is 0
 * then. It fails where the elements do not fit, which is all runs where a single size may be 0 and none is inferred.
 */
export function copiesOtherSize(reshape: Node, context: FusionContext): boolean {
  const [x, target] = reshape.inputs
  if (!reshape.is('Reshape') || target === undefined || target.constant !== undefined) return false
  if (reshape.int('allowzero', 0) !== 0) return false
  const from = x && context.shape(x)
  const sizes = context.data(target)
  const isPositive = (size: Dim, axis: number): boolean => context.isPositive((size === 0 ? from?.[axis] : size) ?? 0)
  return (
    sizes?.some((size, axis) => {
      if (size === -1 || isPositive(size, axis) || isZeroWith(from?.[axis], size, context)) return false
      return sizes.some((other, index) => index !== axis && !isPositive(other, index))
    }) === true
  )
}

/** Whether one size is 0 whenever another is. */
function isZeroWith(one: Dim | undefined, other: Dim, { isPositive }: FusionContext): boolean {
  if (other === 0 || sameDim(one, other)) return true
  if (!(one instanceof Expression) || !(other instanceof Expression)) return false
  const times = exactDivide(other, one)
  return exactDivide(one, other) !== undefined || (times !== undefined && isPositive(times))
}
