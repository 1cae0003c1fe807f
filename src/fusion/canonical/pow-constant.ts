import { isFloat } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { broadcastsWithin, constantOperand } from './constant-operand.ts'

/**
 * x² → x·x, √ for x^½, 1/x for x⁻¹, for floats and an exponent of one element that broadcasts within x.
 * For −∞ alone the root is NaN where the power is ∞.
 */
export const powConstant = defineFusion({
  name: 'pow-constant',
  roots: ['Pow'],
  rewrite(root, graph, context) {
    const operand = constantOperand(root)
    if (!operand?.onRight) return undefined
    const { data: x, constant, tensor } = operand
    const exponent = tensor.scalar
    if (exponent !== 2 && exponent !== 0.5 && exponent !== -1) return undefined
    // Until opset 12 both have one type.
    const type = context.elementType(x) ?? (root.opset < 12 ? tensor.elementType : undefined)
    if (!isFloat(type)) return type && `"${x}" is ${type}, whose powers overflow in another way than its products`
    if (!broadcastsWithin(tensor.dims, x, context)) return `"${constant}" may raise the rank of "${x}"`
    // Layer normalisation is known to runtimes by its Pow before ReduceMean.
    if (exponent === 2 && [...root.output.users].some((user) => user.is('ReduceMean'))) return undefined
    if (exponent === 2) return graph.op('Mul', [x, x], {}, { like: root })
    return graph.op(exponent === 0.5 ? 'Sqrt' : 'Reciprocal', [x], {}, { like: root })
  },
})
