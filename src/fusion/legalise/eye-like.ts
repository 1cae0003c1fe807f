import { Tensor } from '../../graph/index.ts'
import { defineLowering, missingKernel } from './lowering.ts'

/** Larger ones are made by the runtime: they would weigh more than what makes them. */
const largestConstant = 2 ** 16

/** EyeLike(x; k) → the constant that has 1 where the column is the row plus k, and 0 elsewhere. */
export const lowerEyeLike = defineLowering({
  name: 'lower-eye-like',
  op: 'EyeLike',
  form: [],
  lower(root, graph, context) {
    const [x] = root.inputs
    const type = context.elementType(root.output)
    const [rows, columns] = (x && context.shape(x)) ?? []
    if (type === undefined) return `the element type of ${root} is not known`
    if (typeof rows !== 'number' || typeof columns !== 'number') return `its sizes are ${rows} and ${columns}`
    if (rows * columns > largestConstant) return `it has ${rows * columns} elements`
    const reason = missingKernel(['Identity'], root, type, context)
    if (reason !== undefined) return reason
    const shift = root.int('k', 0)
    const isOne = (index: number): boolean => (index % columns) - Math.floor(index / columns) === shift
    const numbers = Array.from({ length: rows * columns }, (_, index) => Number(isOne(index)))
    return graph.constant(Tensor.fromNumbers(type, [rows, columns], numbers))
  },
})
