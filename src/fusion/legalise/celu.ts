import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Celu(x; α) = max(0, x) + min(0, α·(e^(x/α) − 1)) → α · Elu(x/α; 1), for α > 0. */
export const lowerCelu = defineLowering({
  name: 'lower-celu',
  op: 'Celu',
  form: ['Mul', 'Elu'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    const alpha = root.float('alpha', 1)
    if (!(alpha > 0)) return `its alpha is ${alpha}`
    const number = numberLike(x, context)
    if (alpha === 1) return graph.op('Elu', [x], { alpha: 1 }, { like: root })
    const elu = graph.op('Elu', [graph.op('Div', [x, number(alpha)])], { alpha: 1 })
    return graph.op('Mul', [elu, number(alpha)], {}, { like: root })
  },
})
