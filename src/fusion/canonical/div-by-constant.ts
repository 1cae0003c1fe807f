import { isFloat, Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { floatPrecision } from '../linear/float-precision.ts'
import { constantOperand } from './constant-operand.ts'

/** x / c → x · (1/c), for c a constant of floats whose reciprocals are finite and keep all digits. */
export const divByConstant = defineFusion({
  name: 'div-by-constant',
  roots: ['Div'],
  rewrite(root, graph) {
    const operand = constantOperand(root)
    if (!operand?.onRight) return undefined
    const { data, constant, tensor } = operand
    const { elementType } = tensor
    if (!isFloat(elementType)) return undefined
    // GELU is known to runtimes by its Div before Erf.
    if ([...root.output.users].some((user) => user.is('Erf'))) return undefined
    const { epsilon, smallest } = floatPrecision[elementType]
    const reciprocals = Tensor.fromNumbers(
      elementType,
      tensor.dims,
      tensor.toNumbers().map((number) => 1 / number),
    )
    const numbers = tensor.toNumbers()
    const exactEnough = reciprocals.toNumbers().every((reciprocal, index) => {
      const size = Math.abs(reciprocal)
      return size >= smallest && Math.abs(reciprocal * (numbers[index] ?? 0) - 1) <= epsilon
    })
    if (!exactEnough) return `"${constant}" has no finite reciprocal that keeps its digits`
    return graph.op('Mul', [data, graph.constant(reciprocals)], {}, { like: root })
  },
})
