import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Neg(x) of integers → 0 − x: WebGPU negates floats alone. */
export const lowerNeg = defineLowering({
  name: 'lower-neg',
  op: 'Neg',
  form: ['Sub'],
  lower(root, graph, context) {
    const [x] = root.inputs
    return x && graph.op('Sub', [numberLike(x, context)(0), x], {}, { like: root })
  },
})
