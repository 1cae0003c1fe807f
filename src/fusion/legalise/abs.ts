import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** Abs(x) of integers → max(x, 0 − x): WebGPU has it for floats alone. What has no sign is its own. */
export const lowerAbs = defineLowering({
  name: 'lower-abs',
  op: 'Abs',
  form: ['Sub', 'Max'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined || context.elementType(x) === 'uint32') return x
    return graph.op('Max', [x, graph.op('Sub', [numberLike(x, context)(0), x])], {}, { like: root })
  },
})
