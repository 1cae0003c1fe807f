import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Sign(x) → 1 where x > 0, −1 where x < 0, else x: zeros and NaN stay what they are. */
export const lowerSign = defineLowering({
  name: 'lower-sign',
  op: 'Sign',
  form: ['Greater', 'Less', 'Where'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    if (x === undefined || type === undefined) return undefined
    if (type.startsWith('uint')) return `its type is ${type}`
    const number = numberLike(x, context)
    const above = graph.op('Where', [graph.op('Greater', [x, number(0)]), number(1), x])
    return graph.op('Where', [graph.op('Less', [x, number(0)]), number(-1), above], {}, { like: root })
  },
})
