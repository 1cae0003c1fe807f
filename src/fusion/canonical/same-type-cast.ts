import { type ElementType, elementTypeOfCode, type Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/** The element type a Cast or CastLike makes. Before opset 6 it was named by text, and is left alone. */
export function castTarget(node: Node, context: FusionContext): ElementType | undefined {
  const [, like] = node.inputs
  if (node.op === 'CastLike') return like && context.elementType(like)
  const code = node.int('to')
  return code === undefined || node.opset < 6 ? undefined : elementTypeOfCode(code)
}

/** Cast(x) → x, where x has that element type already. */
export const sameTypeCast = defineFusion({
  name: 'same-type-cast',
  roots: ['Cast', 'CastLike'],
  rewrite(root, _graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    return type !== undefined && type === castTarget(root, context) ? x : undefined
  },
})
