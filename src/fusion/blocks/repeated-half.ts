import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim, sameShape } from '../context.ts'
import { axisSlices } from '../linear/strided-slice.ts'
import type { Pairing } from './rotated-parts.ts'

/** Operators of one operand that compute element by element. */
const elementwise = new Set(['Cos', 'Sin', 'Cast', 'Identity'])
const views = new Set(['Reshape', 'Unsqueeze', 'Squeeze'])

/** Operators of one tensor and indices that pick rows of it. */
const pickers = new Set(['Gather', 'Slice'])

/**
 * Of a value whose last axis holds the same numbers twice (its halves are alike, or each number and its neighbour), those numbers once, up to a
 * Reshape: rotary embeddings are written with cosines and sines repeated. undefined where it is not seen that they are. Adds what computes them.
 */
export function repeatedHalf(
  graph: GraphBuilder,
  value: Value,
  pairing: Pairing,
  context: FusionContext,
): Value | undefined {
  const { constant, producer } = value
  if (constant !== undefined) {
    const half = halfOfConstant(constant, pairing)
    return half && graph.constant(half)
  }
  if (producer === undefined || producer.domain !== '') return undefined
  const [input, other] = producer.inputs
  const rank = context.shape(value)?.length
  if (input === undefined || rank === undefined) return undefined
  if (producer.is('Concat')) {
    const axis = producer.int('axis', 0)
    const twice = producer.inputs.length === 2 && input === other && (axis === -1 || axis === rank - 1)
    return twice && pairing === 'halves' ? input : undefined
  }
  if (views.has(producer.op)) {
    const keepsLast = sameDim(context.shape(input)?.at(-1), context.shape(value)?.at(-1))
    const seen = keepsLast ? repeatedHalf(graph, input, pairing, context) : undefined
    return seen ?? stackedTwice(value, input, pairing, context)
  }
  if (pickers.has(producer.op)) return picked(graph, producer, value, pairing, context)
  const number = producer.is('Mul') ? (other?.constant?.scalar === undefined ? undefined : other) : undefined
  if (!elementwise.has(producer.op) && number === undefined) return undefined
  const half = repeatedHalf(graph, input, pairing, context)
  if (half === undefined) return undefined
  const scalar = number?.constant?.reshape([])
  return graph.op(producer.op, scalar === undefined ? [half] : [half, scalar], producer.attributes.values())
}

/** The numbers that are stacked with themselves along a new axis (by Concat, or by Expand), which the view `value` of `stack` merges into the last. */
function stackedTwice(value: Value, stack: Value, pairing: Pairing, context: FusionContext): Value | undefined {
  const [shape, inner] = [context.shape(value), context.shape(stack)]
  const width = shape?.at(-1)
  const { producer } = stack
  if (!shape || !inner || producer === undefined || typeof width !== 'number') return undefined
  const last = pairing === 'neighbours' ? [width / 2, 2] : [2, width / 2]
  if (inner.length < 2 || !sameShape(inner.slice(-2), last)) return undefined
  const axis = inner.length - (pairing === 'neighbours' ? 1 : 2)
  const [once, again, ...more] = producer.inputs
  const joined = producer.is('Concat') && once === again && more.length === 0
  const along = joined && (producer.int('axis', 0) + inner.length) % inner.length === axis
  return once && (along || producer.is('Expand')) && sameShape(context.shape(once), inner.with(axis, 1))
    ? once
    : undefined
}

/** Rows picked of what is repeated: the same rows of its half. */
function picked(
  graph: GraphBuilder,
  picker: Node,
  value: Value,
  pairing: Pairing,
  context: FusionContext,
): Value | undefined {
  const [table, ...rest] = picker.inputs
  const [shape, result] = [table && context.shape(table), context.shape(value)]
  if (!table || !shape || !sameDim(result?.at(-1), shape.at(-1))) return undefined
  const axes = picker.is('Gather') ? [picker.int('axis', 0)] : axisSlices(picker)?.map(({ axis }) => axis)
  if (axes === undefined || axes.some((axis) => (axis + shape.length) % shape.length === shape.length - 1))
    return undefined
  const half = repeatedHalf(graph, table, pairing, context)
  if (half === undefined || !sameShape(context.shape(half)?.slice(0, -1), shape.slice(0, -1))) return undefined
  return graph.op(picker.op, [half, ...rest], picker.attributes.values())
}

function halfOfConstant(tensor: Tensor, pairing: Pairing): Tensor | undefined {
  const width = tensor.dims.at(-1) ?? 0
  if (width % 2 !== 0 || !tensor.hasNumbers) return undefined
  const numbers = tensor.toNumbers()
  const isFirst = (index: number): boolean => (pairing === 'halves' ? index % width < width / 2 : index % 2 === 0)
  const first = numbers.filter((_, index) => isFirst(index))
  const second = numbers.filter((_, index) => !isFirst(index))
  const dims = [...tensor.dims.slice(0, -1), width / 2]
  return first.every((number, index) => number === second[index])
    ? Tensor.fromNumbers(tensor.elementType, dims, first)
    : undefined
}
