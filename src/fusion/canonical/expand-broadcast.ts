import type { Node, Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/** Operators that broadcast all their operands to each other. */
const broadcasting =
  `Add Sub Mul Div Pow Max Min Sum Mean And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual Where Mod`.split(' ')

/** f(Expand(x), y) → f(x, y), where f broadcasts x and y to the same shape by itself. */
export const expandBroadcast = defineFusion({
  name: 'expand-broadcast',
  roots: broadcasting,
  rewrite(root, graph, context) {
    if (root.opset < 8) return undefined
    for (const [index, input] of root.inputs.entries()) {
      const expand = input?.producer
      const x = expand?.inputs[0]
      if (expand?.is('Expand') !== true || x === undefined) continue
      const inputs = root.inputs.with(index, x)
      if (!reaches(inputs, root, context)) continue
      return graph.op(root.op, inputs, [...root.attributes.values()], { like: root })
    }
    return undefined
  },
})

/** Whether some operand has each size of the result, so that the others are stretched to it. */
function reaches(inputs: readonly (Value | undefined)[], root: Node, context: FusionContext): boolean {
  const result = context.shape(root.output)
  const shapes = inputs.map((input) => input && context.shape(input))
  if (result === undefined || shapes.some((shape) => shape === undefined)) return false
  return result.every((dim, axis) =>
    shapes.some((shape) => shape && sameDim(dim, shape[axis + shape.length - result.length])),
  )
}
