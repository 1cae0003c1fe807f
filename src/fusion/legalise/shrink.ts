import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Shrink(x; λ, bias) → x + bias below −λ, x − bias above λ, 0 between. */
export const lowerShrink = defineLowering({
  name: 'lower-shrink',
  op: 'Shrink',
  form: ['Greater', 'Less', 'Add', 'Where'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    if (x === undefined || (type !== 'float32' && type !== 'float16')) return `its type is ${type}`
    const number = numberLike(x, context)
    const [lambda, bias] = [root.float('lambd', 0.5), root.float('bias', 0)]
    const shifted = (by: number) => (by === 0 ? x : graph.op('Add', [x, number(by)]))
    const above = graph.op('Where', [graph.op('Greater', [x, number(lambda)]), shifted(-bias), number(0)])
    return graph.op('Where', [graph.op('Less', [x, number(-lambda)]), shifted(bias), above], {}, { like: root })
  },
})
