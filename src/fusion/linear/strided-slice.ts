import type { Node } from '../../graph/index.ts'

/** One axis of a Slice, as it is written: negative numbers count from the end. */
export interface AxisSlice {
  readonly axis: number
  readonly start: number
  readonly end: number
  readonly step: number
}

/** A Slice with constants, axis by axis; undefined when it is computed. Before opset 10 they are attributes, and there are no steps. */
export function axisSlices(slice: Node): AxisSlice[] | undefined {
  const [, ...operands] = slice.inputs
  if (operands.some((operand) => operand !== undefined && operand.constant === undefined)) return undefined
  const given = (index: number, name: string): number[] | undefined =>
    operands[index]?.constant ? Array.from(operands[index].constant.toNumbers()) : slice.ints(name)
  const [starts, ends] = [given(0, 'starts'), given(1, 'ends')]
  if (starts === undefined || ends === undefined) return undefined
  const axes = given(2, 'axes') ?? starts.map((_, index) => index)
  const steps = given(3, 'steps') ?? starts.map(() => 1)
  return starts.map((start, index) => ({
    axis: axes[index] ?? 0,
    start,
    end: ends[index] ?? 0,
    step: steps[index] ?? 1,
  }))
}

/** The one axis that a Slice with constants is along, counted from the front; undefined for one along several. */
export function singleAxisSlice(slice: Node, rank: number): AxisSlice | undefined {
  const [only, ...others] = axisSlices(slice) ?? []
  if (only === undefined || others.length > 0) return undefined
  return only.axis < 0 ? { ...only, axis: only.axis + rank } : only
}
