import { Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'

/** Pow(x, p) with a constant p of another type → with p in the type of x, which holds it: WebGPU's Pow takes no int64 and no float64. */
export const powExponent = defineFusion({
  name: 'pow-exponent',
  roots: ['Pow'],
  rewrite(root, graph, context) {
    const [x, exponent] = root.inputs
    const type = x && context.elementType(x)
    const tensor = exponent?.constant
    if (context.target === 'onnx' || x === undefined || type === undefined || exponent === undefined) return undefined
    if (context.elementType(exponent) === type || !runsOnWeb('Pow', root.opset, type, context)) return undefined
    if (tensor === undefined) return `"${exponent}" is computed, not a constant`
    const numbers = tensor.toNumbers()
    const narrow = Tensor.fromNumbers(type, tensor.dims, numbers)
    const isSame = narrow.toNumbers().every((number, index) => number === numbers[index])
    if (!isSame) return `${type} does not hold its exponent`
    return graph.op('Pow', [x, narrow], {}, { like: root })
  },
})
