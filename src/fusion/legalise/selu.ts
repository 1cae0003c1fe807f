import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** The defaults of Selu's attributes, from the ONNX standard. */
const [alpha, gamma] = [1.6732631921768188, 1.0507010221481323]

/** Selu(x; α, γ) → γ · Elu(x; α). */
export const lowerSelu = defineLowering({
  name: 'lower-selu',
  op: 'Selu',
  form: ['Elu', 'Mul'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    const elu = graph.op('Elu', [x], { alpha: root.float('alpha', alpha) })
    return graph.op('Mul', [elu, numberLike(x, context)(root.float('gamma', gamma))], {}, { like: root })
  },
})
