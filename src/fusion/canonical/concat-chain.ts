import type { Node, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'

/** Concat(a, Concat(b, c), d) → Concat(a, b, c, d), along one axis. */
export const concatChain = defineFusion({
  name: 'concat-chain',
  roots: ['Concat'],
  rewrite(root, graph, context) {
    const axis = axisOf(root, context)
    let flattened = false
    const inputs = root.inputs.flatMap((input): (Value | undefined)[] => {
      const inner = input?.producer
      const once = input !== undefined && whyShared(input) === undefined
      if (inner?.is('Concat') !== true || !once || axisOf(inner, context) !== axis) return [input]
      flattened = true
      return [...inner.inputs]
    })
    if (!flattened || axis === undefined) return undefined
    return graph.op('Concat', inputs, { axis }, { like: root })
  },
})

/** The axis from the front; before opset 4 it is 1 when left out. */
function axisOf(concat: Node, context: FusionContext): number | undefined {
  const axis = concat.int('axis', 1)
  if (axis >= 0) return axis
  const rank = concat.inputs.map((input) => input && context.shape(input)?.length).find((known) => known !== undefined)
  return rank === undefined ? undefined : axis + rank
}
