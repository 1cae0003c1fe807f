import { int64, type Node, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, node, product, sum } from '../pattern.ts'
import { arrange, arrangementsOf, keepsOrder } from './arrangement.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { microsoft } from './microsoft.ts'
import { repeatedHalf } from './repeated-half.ts'

const [x, cos, sin, upper, lower] = [any(), any(), any(), any(), any()]
const rotated = node('Concat', [upper, lower])

/**
 * x·cos + rotate(x)·sin → RotaryEmbedding(x; cos, sin), with rotate([a, b]) = [−b, a] over the halves of a head, x of [B, N, S, H], and cosines and
 * sines for each position, [S, H], the same in both halves. Where the heads were split from [B, S, N·H], it rotates before that.
 */
export const rotaryEmbedding = defineFusion({
  name: 'rotary-embedding',
  pattern: sum(0, [product(1, [rotated, sin]), product(1, [x, cos])]),
  conditions: [
    (_match, { target }) =>
      target === 'onnx' ? 'RotaryEmbedding of ONNX Runtime is not in the ONNX standard' : undefined,
    (match, context) => whyNoFloatKernel(match.value(x), context),
    (match, context) => {
      const axis = match.node(rotated).int('axis', 0)
      const sides = [negated(match.value(upper)), match.value(lower)].map(
        (side) => side && halfOf(side, match.value(x), context),
      )
      const fits = (axis === -1 || axis === 3) && sides[0] === 'second' && sides[1] === 'first'
      return fits ? undefined : 'it does not rotate the halves of the last axis'
    },
    (match, context) => {
      const [shape, ...tables] = [x, cos, sin].map((one) => context.shape(match.value(one)))
      if (shape?.length !== 4) return `it has rank ${shape?.length}, not 4`
      const sameType = [cos, sin].every(
        (one) => context.elementType(match.value(one)) === context.elementType(match.value(x)),
      )
      if (!sameType) return 'its cosines are of another type'
      const fit = tables.every((table) => {
        const rest = table?.toReversed() ?? []
        const [width, positions, ...others] = rest
        return (
          table !== undefined &&
          table.length <= 4 &&
          sameDim(width, shape[3]) &&
          sameDim(positions, shape[2]) &&
          others.every((dim) => dim === 1)
        )
      })
      return fit ? undefined : 'its cosines are not one row for each position'
    },
  ],
  replace(match, graph, context) {
    const input = match.value(x)
    const [, heads, , size] = context.shape(input) ?? []
    if (typeof heads !== 'number' || typeof size !== 'number')
      return `heads and their size are ${heads} and ${size}, not numbers`
    const halves = [cos, sin].map((one) => repeatedHalf(graph, match.value(one), context))
    const [cosines, sines] = halves.map((half) => {
      const rows = half?.constant && half.constant.size / (size / 2)
      return rows === undefined
        ? half && graph.op('Reshape', [half, int64([-1, size / 2])])
        : half?.constant?.reshape([rows, size / 2])
    })
    if (cosines === undefined || sines === undefined) return 'it is not seen that both halves have the same cosines'
    const tables = [int64([0]), cosines, sines]
    for (const way of arrangementsOf(input, context)) {
      const [batch, ofHeads, positions, features] = way.to
      if (way.scale !== 1 || !batch || !ofHeads || !positions || !features) continue
      const axes = [batch, positions, [...ofHeads, ...features]]
      const merged = keepsOrder(way, axes) ? arrange(graph, way, axes) : undefined
      if (merged === undefined) continue
      const made = microsoft(graph, match.root, 'RotaryEmbedding', [merged, ...tables], { num_heads: heads }).output
      const result = arrange(graph, { source: made, from: axes, to: way.to }, way.to)
      if (result !== undefined) return result
    }
    return microsoft(graph, match.root, 'RotaryEmbedding', [input, ...tables], { num_heads: heads }).output
  },
})

/** v of −v. */
function negated(value: Value): Value | undefined {
  const { producer } = value
  if (producer?.is('Neg')) return producer.inputs[0]
  if (!producer?.is('Mul')) return undefined
  const factor = producer.inputs.find((input) => input?.constant?.scalar === -1)
  return factor && producer.inputs.find((input) => input !== factor)
}

/** Which half of x's last axis a value is, by Slice or Split; undefined when it is neither. */
function halfOf(value: Value, x: Value, context: FusionContext): 'first' | 'second' | undefined {
  const { producer } = value
  const width = context.shape(x)?.at(-1)
  if (producer?.inputs[0] !== x || typeof width !== 'number' || width % 2 !== 0) return undefined
  const half = width / 2
  if (!sameDim(context.shape(value)?.at(-1), half)) return undefined
  if (producer.is('Split')) {
    const axis = producer.int('axis', 0)
    if (axis !== -1 && axis !== 3) return undefined
    return value === producer.outputs[0] ? 'first' : value === producer.outputs[1] ? 'second' : undefined
  }
  const bounds = producer.is('Slice') ? sliceOf(producer) : undefined
  if (bounds === undefined || (bounds.axis !== -1 && bounds.axis !== 3) || bounds.step !== 1) return undefined
  const start = bounds.start < 0 ? bounds.start + width : bounds.start
  return start === 0 ? 'first' : start === half ? 'second' : undefined
}

/** Start, axis and step of a Slice along one axis; undefined for others. */
function sliceOf(slice: Node): { start: number; axis: number; step: number } | undefined {
  const numbers = (index: number, attribute: string): number[] | undefined => {
    const operand = slice.inputs[index]
    if (operand === undefined) return slice.ints(attribute)
    return operand.constant && Array.from(operand.constant.toNumbers())
  }
  const [starts, axes, steps] = [numbers(1, 'starts'), numbers(3, 'axes'), numbers(4, 'steps')]
  const [start, axis] = [starts?.[0], axes?.[0]]
  if (starts?.length !== 1 || start === undefined || axis === undefined) return undefined
  return slice.inputs[4] !== undefined && steps === undefined ? undefined : { start, axis, step: steps?.[0] ?? 1 }
}
