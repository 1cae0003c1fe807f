import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Softsign(x) → x / (1 + |x|). */
export const lowerSoftsign = defineLowering({
  name: 'lower-softsign',
  op: 'Softsign',
  form: ['Abs', 'Add', 'Div'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    const size = graph.op('Add', [graph.op('Abs', [x]), numberLike(x, context)(1)])
    return graph.op('Div', [x, size], {}, { like: root })
  },
})
