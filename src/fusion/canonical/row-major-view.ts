import type { Node, Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
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
 * The constant shape with which Reshape makes `to` of a tensor of shape `from`: sizes as they are, 0 for one that stays in its place, and -1
 * for at most one that is known by name only. Sizes behind -1 are taken to be at least 1. undefined when there is none.
 */
export function reshapeOperand(
  from: readonly Dim[] | undefined,
  to: readonly Dim[] | undefined,
): readonly number[] | undefined {
  if (to === undefined) return undefined
  const operand = to.map((dim, axis) =>
    dim !== 0 && typeof dim === 'number' ? dim : sameDim(dim, from?.[axis]) ? 0 : -1,
  )
  const inferred = operand.flatMap((dim, axis) => (dim === -1 ? [to[axis]] : []))
  return inferred.length > 1 || inferred.includes(0) || (inferred.length === 1 && to.includes(0)) ? undefined : operand
}
