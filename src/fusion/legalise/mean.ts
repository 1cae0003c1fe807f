import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'
import { addAll } from './sum.ts'

/** Mean(a, b, …) → (a + b + …) · 1/n. */
export const lowerMean = defineLowering({
  name: 'lower-mean',
  op: 'Mean',
  form: ['Add', 'Mul'],
  lower(root, graph, context) {
    const sum = addAll(root.inputs, (a, b) => graph.op('Add', [a, b]))
    if (sum === undefined) return undefined
    const number = numberLike(sum, context)
    return graph.op('Mul', [sum, number(1 / root.inputs.length)], {}, { like: root })
  },
})
