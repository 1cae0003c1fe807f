import { type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'

/** Operators of one operand that compute element by element. */
const elementwise = new Set(['Cos', 'Sin', 'Cast', 'Identity'])
const views = new Set(['Reshape', 'Unsqueeze', 'Squeeze'])

/**
 * Of a value whose last axis holds the same numbers twice, the first half, up to a Reshape: rotary embeddings are written with cosines and sines
 * repeated. undefined where it is not seen that they are. Adds what computes the half.
 */
export function repeatedHalf(graph: GraphBuilder, value: Value, context: FusionContext): Value | undefined {
  const { constant, producer } = value
  if (constant !== undefined) {
    const half = halfOfConstant(constant)
    return half && graph.constant(half)
  }
  if (producer === undefined || producer.domain !== '') return undefined
  const [input, other] = producer.inputs
  const rank = context.shape(value)?.length
  if (input === undefined || rank === undefined) return undefined
  if (producer.is('Concat')) {
    const axis = producer.int('axis', 0)
    return producer.inputs.length === 2 && input === other && (axis === -1 || axis === rank - 1) ? input : undefined
  }
  if (views.has(producer.op)) {
    const keepsLast = sameDim(context.shape(input)?.at(-1), context.shape(value)?.at(-1))
    return keepsLast ? repeatedHalf(graph, input, context) : undefined
  }
  const number = producer.is('Mul') ? (other?.constant?.scalar === undefined ? undefined : other) : undefined
  if (!elementwise.has(producer.op) && number === undefined) return undefined
  const half = repeatedHalf(graph, input, context)
  if (half === undefined) return undefined
  const scalar = number?.constant?.reshape([])
  return graph.op(producer.op, scalar === undefined ? [half] : [half, scalar], producer.attributes.values())
}

function halfOfConstant(tensor: Tensor): Tensor | undefined {
  const width = tensor.dims.at(-1) ?? 0
  if (width % 2 !== 0 || !tensor.hasNumbers) return undefined
  const numbers = tensor.toNumbers()
  const half = width / 2
  const first = numbers.filter((_, index) => index % width < half)
  const second = numbers.filter((_, index) => index % width >= half)
  const dims = [...tensor.dims.slice(0, -1), half]
  return first.every((number, index) => number === second[index])
    ? Tensor.fromNumbers(tensor.elementType, dims, first)
    : undefined
}
