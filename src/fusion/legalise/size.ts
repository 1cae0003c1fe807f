import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'

/** Size(x) → ReduceProd(Shape(x)): Size has no WebGPU kernel, and would have the runtime copy its data to the CPU to count it. */
export const lowerSize = defineFusion({
  name: 'lower-size',
  roots: ['Size'],
  rewrite(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    if (context.target === 'onnx' || x === undefined || type === undefined) return undefined
    // Else the data is on the CPU anyway.
    if (!runsOnWeb('Shape', root.opset, type, context)) return undefined
    return graph.op('ReduceProd', [graph.op('Shape', [x])], { keepdims: 0 }, { like: root })
  },
})
