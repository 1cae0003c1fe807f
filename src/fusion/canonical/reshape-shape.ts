import { defineFusion } from '../define-fusion.ts'
import { copiesOtherSize, underShape } from './row-major-view.ts'

/**
 * Reshape(x, computed) → Reshape(x, constant): what is known of the shape is written out, a size that stays in its place as 0, one other
 * as -1. The nodes that computed the shape (Shape, Gather, Concat) go with their last user.
 */
export const reshapeShape = defineFusion({
  name: 'reshape-shape',
  roots: ['Reshape'],
  rewrite(root, graph, context) {
    const [x, shape] = root.inputs
    if (x === undefined || shape === undefined || shape.constant !== undefined || root.opset < 5) return undefined
    const to = context.shape(root.output)
    if (copiesOtherSize(root, context)) return 'a computed size may be 0, which copies another'
    const view = underShape(graph, x, [context.shape(x), to], context, { like: root })
    return view ?? (to && `more than one size of [${to.join(', ')}] is not known, or one beside others that may be 0`)
  },
})
