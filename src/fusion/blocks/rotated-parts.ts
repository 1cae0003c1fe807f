import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import { underShape } from '../canonical/row-major-view.ts'
import { type Dim, type FusionContext, sameDim, sameShape } from '../context.ts'
import { singleAxisSlice } from '../linear/strided-slice.ts'

/** Which numbers of a head turn together: one of its first half with one of its second, or each even one with the odd one behind it. */
export type Pairing = 'halves' | 'neighbours'

/** Where the numbers of a tensor are: along the last axis of `source` from `start` on, or in its last two axes, which hold two parts side by side. */
export interface Place {
  readonly source: Value
  readonly start: number
  readonly stacked: boolean
  readonly shape: readonly Dim[]
}

/** What two values are the parts of: [a, b], or a₀, b₀, a₁, b₁, … */
export interface Whole extends Place {
  readonly pairing: Pairing
}

/** What `first` and `second` are the parts of, by Slice, Split or Gather; undefined when they are not. */
export function wholeOf(first: Value, second: Value, context: FusionContext): Whole | undefined {
  const [shape, other] = [context.shape(first), context.shape(second)]
  const count = shape?.at(-1)
  if (!shape || typeof count !== 'number' || !sameShape(shape, other)) return undefined
  const whole = [...shape.slice(0, -1), 2 * count]
  const [a, b] = [memberOf(first, context), memberOf(second, context)]
  if (a?.index === 0 && b?.index === 1 && a.source === b.source && a.pairing === b.pairing)
    return { pairing: a.pairing, source: a.source, start: 0, stacked: true, shape: whole }
  const [left, right] = [rangeOf(first, context), rangeOf(second, context)]
  if (left.source !== right.source || left.step !== right.step) return undefined
  const distance = right.start - left.start
  const pairing =
    left.step === 1 && distance === count ? 'halves' : left.step === 2 && distance === 1 ? 'neighbours' : undefined
  return pairing && { pairing, source: left.source, start: left.start, stacked: false, shape: whole }
}

/** What has the numbers of `first` and right behind them those of `second` along its last axis; undefined where nothing has. */
export function placeOfBoth(first: Value, second: Value, context: FusionContext): Place | undefined {
  const [shape, other] = [context.shape(first), context.shape(second)]
  const [count, more] = [shape?.at(-1), other?.at(-1)]
  if (!shape || !other || typeof count !== 'number' || typeof more !== 'number') return undefined
  if (!sameShape(shape.slice(0, -1), other.slice(0, -1))) return undefined
  const [left, right] = [rangeOf(first, context), rangeOf(second, context)]
  const adjoin =
    left.source === right.source && left.step === 1 && right.step === 1 && right.start === left.start + count
  return adjoin
    ? { source: left.source, start: left.start, stacked: false, shape: [...shape.slice(0, -1), count + more] }
    : undefined
}

/** Whether a value is what is in that place. */
export function isAt(value: Value, { source, start, stacked, shape }: Place, context: FusionContext): boolean {
  if (!sameShape(context.shape(value), shape)) return false
  if (stacked) return source.producer?.is('Reshape') === true && source.producer.inputs[0] === value
  const range = rangeOf(value, context)
  return range.source === source && range.start === start && range.step === 1
}

/** What is in a place as a value, with a node that takes it out of its source where it is not all of it. undefined where its shape cannot be written. */
export function valueAt(graph: GraphBuilder, place: Place, context: FusionContext): Value | undefined {
  const { source, start, stacked, shape } = place
  if (!stacked) {
    const width = shape.at(-1)
    if (start === 0 && sameDim(context.shape(source)?.at(-1), width)) return source
    return typeof width === 'number'
      ? graph.op('Slice', [source, int64([start]), int64([start + width]), int64([shape.length - 1])])
      : undefined
  }
  return underShape(graph, source, [context.shape(source), shape], context)
}

/** The two parts that a value is joined of: by Concat, or stacked and then reshaped. */
export function slotsOf(value: Value, context: FusionContext): { slots: [Value, Value]; pairing: Pairing } | undefined {
  const [shape, { producer }] = [context.shape(value), value]
  if (producer === undefined || shape === undefined) return undefined
  if (producer.is('Concat')) {
    const [first, second, ...rest] = producer.inputs
    if (!first || !second || rest.length > 0 || axisOf(producer, shape.length) !== shape.length - 1) return undefined
    return { slots: [first, second], pairing: 'halves' }
  }
  const [stack] = producer.is('Reshape') ? producer.inputs : []
  const width = shape.at(-1)
  const stacked = stack?.producer?.is('Concat') === true ? stackOf(stack.producer, context) : undefined
  if (stacked === undefined || typeof width !== 'number') return undefined
  return sameShape(context.shape(stacked.slots[0]), [...shape.slice(0, -1), width / 2]) ? stacked : undefined
}

/** The two values that a Concat stacks along a new axis: the last, or the one before it. */
export function stackOf(concat: Node, context: FusionContext): { slots: [Value, Value]; pairing: Pairing } | undefined {
  const rank = context.shape(concat.output)?.length ?? 0
  const axis = axisOf(concat, rank)
  const slots = concat.inputs.flatMap((input) => (input === undefined ? [] : (withoutAxis(input, axis, context) ?? [])))
  const [first, second, ...rest] = slots
  if (!first || !second || rest.length > 0 || concat.inputs.length !== 2) return undefined
  if (!sameShape(context.shape(first), context.shape(second))) return undefined
  const pairing = axis === rank - 1 ? 'neighbours' : axis === rank - 2 ? 'halves' : undefined
  return pairing && { slots: [first, second], pairing }
}

/** What a value shows with one more axis, of size 1. */
function withoutAxis(value: Value, axis: number, context: FusionContext): Value | undefined {
  const { producer } = value
  const [input] = producer?.is('Unsqueeze') || producer?.is('Reshape') ? producer.inputs : []
  const [shape, inner] = [context.shape(value), input && context.shape(input)]
  return shape?.[axis] === 1 && sameShape(inner, shape.toSpliced(axis, 1)) ? input : undefined
}

interface Range {
  readonly source: Value
  readonly start: number
  readonly step: number
}

/** Where along the last axis of another value the numbers of a value are. */
function rangeOf(value: Value, context: FusionContext): Range {
  const axis = (context.shape(value)?.length ?? 0) - 1
  const taken = takenFrom(value, axis, context)
  if (taken === undefined) return { source: value, start: 0, step: 1 }
  const outer = rangeOf(taken.source, context)
  return { source: outer.source, start: outer.start + taken.start * outer.step, step: outer.step * taken.step }
}

/** Where along an axis Slice or Split takes a value from, if from that axis alone. */
function takenFrom(value: Value, axis: number, context: FusionContext): Range | undefined {
  const { producer } = value
  const [source] = producer?.inputs ?? []
  if (producer === undefined || source === undefined) return undefined
  const shape = context.shape(source)
  const size = shape?.[axis]
  if (shape === undefined || typeof size !== 'number') return undefined
  if (producer.is('Split')) {
    if (axisOf(producer, shape.length) !== axis) return undefined
    let start = 0
    for (const output of producer.outputs) {
      if (output === value) return { source, start, step: 1 }
      const part = output && context.shape(output)?.[axis]
      if (typeof part !== 'number') return undefined
      start += part
    }
  }
  const slice = producer.is('Slice') ? singleAxisSlice(producer, shape.length) : undefined
  if (slice?.axis !== axis) return undefined
  const start = slice.start < 0 ? slice.start + size : slice.start
  return slice.step > 0 && start >= 0 ? { source, start, step: slice.step } : undefined
}

/** Which of two, side by side in one of the last two axes of another value, a value is: by Gather, or by Slice or Split and a view. */
function memberOf(
  value: Value,
  context: FusionContext,
): { source: Value; index: number; pairing: Pairing } | undefined {
  const { producer } = value
  const [input] = producer?.inputs ?? []
  const shape = context.shape(value)
  if (producer === undefined || input === undefined || shape === undefined) return undefined
  const pairingOf = (axis: number, of: readonly Dim[]): Pairing | undefined =>
    of[axis] !== 2 ? undefined : axis === of.length - 1 ? 'neighbours' : axis === of.length - 2 ? 'halves' : undefined
  if (producer.is('Gather')) {
    const of = context.shape(input)
    const pairing = of && pairingOf(axisOf(producer, of.length), of)
    const index = producer.inputs[1]?.constant
    if (pairing === undefined || index?.dims.length !== 0 || index.scalar === undefined) return undefined
    return { source: input, index: (index.scalar + 2) % 2, pairing }
  }
  if (!producer.is('Squeeze') && !producer.is('Reshape')) return undefined
  for (const axis of [shape.length, shape.length - 1]) {
    const fits = sameShape(context.shape(input), shape.toSpliced(axis, 0, 1))
    const taken = fits ? takenFrom(input, axis, context) : undefined
    const of = taken && context.shape(taken.source)
    const pairing = of && pairingOf(axis, of)
    if (taken && pairing !== undefined) return { source: taken.source, index: taken.start, pairing }
  }
  return undefined
}

const axisOf = (node: Node, rank: number): number => (node.int('axis', 0) + rank) % rank
