import type { Node, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { whyNotConstant } from '../pattern.ts'

/** What a Pad adds: for each axis how much before and behind, and the number it fills in. */
export interface Padding {
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  readonly value: number
}

/**
 * A Pad with constants, for data of the given rank; the reason when it copies, cuts off, or is computed. `pads` and `value` are attributes
 * before opset 11 (`paddings` in opset 1); since 18 an input names the axes.
 */
export function paddingOf(pad: Node, rank: number, context: FusionContext): Padding | string {
  const mode = pad.string('mode', 'constant')
  if (mode !== 'constant') return `it pads by ${mode}, not with a constant`
  const [, padsInput, valueInput, axesInput] = pad.inputs
  const numbers = (input: Value | undefined): number[] | undefined => input && numbersOf(input, context)
  if (padsInput !== undefined && numbers(padsInput) === undefined) return whyNotConstant(padsInput)
  if (axesInput !== undefined && numbers(axesInput) === undefined) return whyNotConstant(axesInput)
  if (valueInput !== undefined && valueInput.constant === undefined) return whyNotConstant(valueInput)
  const pads = numbers(padsInput) ?? pad.ints('pads') ?? pad.ints('paddings')
  const value = pad.opset < 11 ? pad.float('value', 0) : valueInput === undefined ? 0 : valueInput.constant?.scalar
  const axes =
    numbers(axesInput)?.map((axis) => (axis < 0 ? axis + rank : axis)) ?? Array.from({ length: rank }, (_, i) => i)
  if (pads === undefined || value === undefined || pads.length !== 2 * axes.length)
    return 'its pads do not fit its data'
  if (pads.some((amount) => amount < 0)) return 'it cuts off (negative pads)'
  const [begins, ends] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)]
  for (const [index, axis] of axes.entries()) {
    begins[axis] = (begins[axis] ?? 0) + (pads[index] ?? 0)
    ends[axis] = (ends[axis] ?? 0) + (pads[axes.length + index] ?? 0)
  }
  return begins.length === rank && ends.length === rank ? { begins, ends, value } : 'its pads do not fit its data'
}

/** The numbers of a constant, or of an integer tensor that follows from the shapes. */
function numbersOf(value: Value, context: FusionContext): number[] | undefined {
  if (value.constant?.hasNumbers) return Array.from(value.constant.toNumbers())
  const data = context.data(value)
  const numbers = data?.filter((element) => typeof element === 'number')
  return numbers?.length === data?.length ? numbers : undefined
}

/** The padding of the image alone; the reason when batch or channels are padded. */
export function spatialPadding(pad: Node, axes: number, context: FusionContext): Padding | string {
  const padding = paddingOf(pad, axes + 2, context)
  if (typeof padding === 'string') return padding
  const { begins, ends, value } = padding
  if ([...begins.slice(0, 2), ...ends.slice(0, 2)].some((amount) => amount !== 0)) return 'it pads batch or channels'
  return { begins: begins.slice(2), ends: ends.slice(2), value }
}
