import { elementTypes, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineLowering, missingKernel } from './lowering.ts'
import { numberLike } from './number-like.ts'
import { asInt32, positionCount } from './position-int32.ts'
import { unsqueeze } from './unsqueeze.ts'

/**
 * OneHot(i; d, [off, on]) → on where i, or i + d for i below 0, equals 0, 1, …, d − 1, each in its place along the axis; off elsewhere. i is int32
 * or a float; one that is no whole number is nowhere, as the runtime has it.
 */
export const lowerOneHot = defineLowering({
  name: 'lower-one-hot',
  op: 'OneHot',
  form: [],
  lower(root, graph, context) {
    const [indices, depth, values] = root.inputs
    if (indices === undefined || depth === undefined || values === undefined) return undefined
    const [count] = context.data(depth) ?? depth.constant?.toNumbers() ?? []
    if (typeof count !== 'number') return 'its depth is not known'
    const type = context.elementType(values)
    const choices = values.constant
    if (choices === undefined || type === undefined) return `"${values}" is computed, not a constant`
    const rank = context.shape(indices)?.length
    if (rank === undefined) return `the rank of "${indices}" is not known`
    const numbers = comparable(indices, graph, context)
    const ofType = numbers && context.elementType(numbers)
    if (numbers === undefined || ofType === undefined)
      return `"${indices}" is ${context.elementType(indices)}, which is on the CPU anyway`
    const reason =
      missingKernel(['Equal', 'Less', 'Add', 'Where', 'Range'], root, ofType, context) ??
      missingKernel(['Where'], root, type, context)
    if (reason !== undefined) return reason
    const number = numberLike(numbers, context)
    const bounds = [0, count, 1].map(number)
    const given = root.int('axis', -1)
    const axis = given < 0 ? given + rank + 1 : given
    const after = Array.from({ length: rank - axis }, (_, index) => index + 1)
    const row = graph.op('Range', bounds)
    const places = after.length === 0 ? row : unsqueeze(graph, row, after)
    // ArgMax and its like give nothing below 0.
    const wrapped =
      positionCount(indices, context) === undefined
        ? graph.op('Where', [
            graph.op('Less', [numbers, number(0)]),
            graph.op('Add', [numbers, number(count)]),
            numbers,
          ])
        : numbers
    const isHot = graph.op('Equal', [unsqueeze(graph, wrapped, [axis]), places])
    const [off = 0, on = 1] = Array.from(choices.toNumbers(), (number) => Tensor.fromNumbers(type, [], [number]))
    return graph.op('Where', [isHot, on, off], {}, { like: root })
  },
})

/** The indices in a type for which WebGPU has kernels. */
function comparable(indices: Value, graph: GraphBuilder, context: FusionContext): Value | undefined {
  const type = context.elementType(indices)
  if (type === 'float32') return indices
  if (type === 'float16') return graph.op('Cast', [indices], { to: elementTypes.float32.code })
  return asInt32(indices, graph, context)
}
