import { int64, type Operand, Tensor, type Value } from '../../graph/index.ts'
import { filled } from '../blocks/filled.ts'
import type { Dim, FusionContext } from '../context.ts'
import { defineLowering } from './lowering.ts'

/**
 * GroupNormalization(x) → InstanceNormalization of x seen as [N, groups, rest], seen as x again, times scale, plus bias. They are by group in
 * opset 18 and by channel since 21.
 */
export const lowerGroupNormalization = defineLowering({
  name: 'lower-group-normalization',
  op: 'GroupNormalization',
  form: ['Reshape', 'InstanceNormalization', 'Mul', 'Add'],
  lower(root, graph, context) {
    const [x, scale, bias] = root.inputs
    const groups = root.int('num_groups')
    const type = x && context.elementType(x)
    if (x === undefined || type === undefined || groups === undefined) return undefined
    const shape = context.shape(x)
    const channels = shape?.[1]
    if (shape === undefined || typeof channels !== 'number') return `the shape of "${x}" is not known`
    const dims = shape.map((dim: Dim, axis) => (axis === 0 ? 0 : typeof dim === 'number' ? dim : -1))
    if (dims.filter((dim) => dim === -1).length > 1) return `more than one size of [${shape.join(', ')}] is not known`
    const perChannel = (operand: Value | undefined): Operand | string =>
      channelwise(operand, root.opset < 21 ? channels / groups : 1, shape.length, context, (data, to) =>
        graph.op('Reshape', [data, int64(to)]),
      )
    const [factor, offset] = [perChannel(scale), perChannel(bias)]
    if (typeof factor === 'string') return factor
    if (typeof offset === 'string') return offset
    const grouped = graph.op('Reshape', [x, int64([0, groups, -1])])
    const normalised = graph.op(
      'InstanceNormalization',
      [grouped, filled(type, [groups], 1), filled(type, [groups], 0)],
      { epsilon: root.float('epsilon', 1e-5) },
    )
    const back = graph.op('Reshape', [normalised, int64(dims)])
    return graph.op('Add', [graph.op('Mul', [back, factor]), offset], {}, { like: root })
  },
})

/** A parameter in the shape [C, 1, …], each of its elements repeated. */
function channelwise(
  operand: Value | undefined,
  repeats: number,
  rank: number,
  context: FusionContext,
  reshape: (data: Value, dims: readonly number[]) => Value,
): Operand | string {
  if (operand === undefined) return 'it has no scale or bias'
  const ones = Array.from({ length: rank - 2 }, () => 1)
  const tensor = operand.constant
  if (tensor === undefined) {
    if (repeats !== 1) return `"${operand}" is by group and not constant`
    const size = context.shape(operand)?.[0]
    return typeof size === 'number' ? reshape(operand, [size, ...ones]) : `the size of "${operand}" is not known`
  }
  const numbers = Array.from(tensor.toNumbers()).flatMap((number) => Array.from({ length: repeats }, () => number))
  return Tensor.fromNumbers(tensor.elementType, [numbers.length, ...ones], numbers)
}
