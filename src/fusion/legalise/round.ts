import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/**
 * Round(x), half to even → with f = ⌊x⌋ and d = x − f: f for d < ½, f + 1 for d > ½, the even one of the two for d = ½.
 * Every difference here is exact, or rounds where the result is the same; −0 becomes 0.
 */
export const lowerRound = defineLowering({
  name: 'lower-round',
  op: 'Round',
  form: ['Floor', 'Sub', 'Mul', 'Add', 'Equal', 'Greater', 'Where'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    const number = numberLike(x, context)
    const floor = graph.op('Floor', [x])
    const rest = graph.op('Sub', [x, floor])
    // 1 where ⌊x⌋ is odd.
    const half = graph.op('Floor', [graph.op('Mul', [floor, number(0.5)])])
    const odd = graph.op('Sub', [floor, graph.op('Mul', [half, number(2)])])
    const isHalf = graph.op('Equal', [rest, number(0.5)])
    const isMore = graph.op('Greater', [rest, number(0.5)])
    const up = graph.op('Where', [isMore, graph.op('Add', [floor, number(1)]), floor])
    return graph.op('Where', [isHalf, graph.op('Add', [floor, odd]), up], {}, { like: root })
  },
})
