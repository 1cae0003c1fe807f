import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/**
 * The axes over which LogSoftmax or Hardmax normalises, from 0: one since opset 13; before, all from `axis` on, seen as one.
 * A string is the reason why they are not known.
 */
export function normalisedAxes(node: Node, context: FusionContext): readonly number[] | string {
  const [x] = node.inputs
  const rank = x && context.shape(x)?.length
  if (rank === undefined) return `the rank of "${x}" is not known`
  const axis = node.int('axis', node.opset < 13 ? 1 : -1)
  const first = axis < 0 ? axis + rank : axis
  if (node.opset >= 13) return [first]
  return first >= rank
    ? 'it normalises over no axis'
    : Array.from({ length: rank - first }, (_, index) => first + index)
}
