import { elementTypes, int64 } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'
import { normalisedAxes } from './normalised-axes.ts'
import { numberLike } from './number-like.ts'
import { reduce } from './reduce.ts'

/** Hardmax(x) → 1 where x is the largest along the axis for the first time: where it equals the maximum and the count of such is 1. */
export const lowerHardmax = defineLowering({
  name: 'lower-hardmax',
  op: 'Hardmax',
  form: ['ReduceMax', 'Equal', 'Cast', 'CumSum', 'Mul'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    const axes = normalisedAxes(root, context)
    if (x === undefined || type === undefined) return undefined
    if (typeof axes === 'string') return axes
    const [axis] = axes
    if (axis === undefined || axes.length > 1) return 'it looks for the largest over several axes together'
    const number = numberLike(x, context)
    const to = elementTypes[type].code
    const largest = graph.op('Cast', [graph.op('Equal', [x, reduce(graph, 'ReduceMax', x, axes)])], { to })
    const count = graph.op('CumSum', [largest, int64(axis)])
    const first = graph.op('Cast', [graph.op('Equal', [count, number(1)])], { to })
    return graph.op('Mul', [largest, first], {}, { like: root })
  },
})
