import type { TypedArray } from './element-type.ts'

/** An axis of the result: how many steps, and how far apart they lie in the source. */
interface Axis {
  readonly size: number
  readonly step: number
}

/** Columns read at a time: what lies beside an element comes along in its cache line. */
const tile = 16

/** The elements of a row-major tensor in a new order of its axes: axis i of the result is axis `permutation[i]` of the source. */
export function permuteAxes(source: TypedArray, dims: readonly number[], permutation: readonly number[]): TypedArray {
  const target = source.slice()
  if (target.length === 0) return target
  const outer = mergedAxes(dims, permutation)
  const inner = outer.pop() ?? { size: 1, step: 1 }
  // The axis along which the source runs is read together with the innermost axis of the result, tile by tile.
  const beside = outer.findIndex(({ step }) => step === 1)
  const columns = outer[beside]
  const targetSteps = stepsOf([...outer.map(({ size }) => size), inner.size])
  if (columns !== undefined) outer.splice(beside, 1)
  const columnStep = columns === undefined ? 0 : (targetSteps[beside] ?? 0)
  const steps = targetSteps.filter((_, axis) => axis !== beside)
  forEachPlace(outer, steps, (to, from) => {
    if (columns === undefined) copyRow(source, from, inner, target, to)
    else transposeMatrix(source, from, inner, target, to, { size: columns.size, step: columnStep })
  })
  return target
}

function copyRow(source: TypedArray, from: number, { size, step }: Axis, target: TypedArray, to: number): void {
  for (let i = 0; i < size; i++) target[to + i] = source[from + i * step] as number
}

/** Rows of the source, `rows.step` apart, become columns of the target, whose rows are `columns.step` apart. */
function transposeMatrix(
  source: TypedArray,
  from: number,
  rows: Axis,
  target: TypedArray,
  to: number,
  columns: Axis,
): void {
  const { size: height, step } = rows
  const { size: width, step: targetStep } = columns
  for (let left = 0; left < width; left += tile) {
    const right = Math.min(left + tile, width)
    for (let row = 0; row < height; row++) {
      for (let column = left; column < right; column++) {
        target[to + column * targetStep + row] = source[from + row * step + column] as number
      }
    }
  }
}

/** The axes of the result, those of size 1 left out and those that stay neighbours taken as one. */
function mergedAxes(dims: readonly number[], permutation: readonly number[]): Axis[] {
  const steps = stepsOf(dims)
  const merged: Axis[] = []
  for (const axis of permutation) {
    const size = dims[axis] ?? 1
    const step = steps[axis] ?? 1
    if (size === 1) continue
    const last = merged.at(-1)
    if (last?.step === size * step) merged[merged.length - 1] = { size: last.size * size, step }
    else merged.push({ size, step })
  }
  return merged
}

/** How far apart the elements of each axis lie. */
function stepsOf(dims: readonly number[]): number[] {
  const steps = new Array<number>(dims.length).fill(1)
  for (let axis = dims.length - 2; axis >= 0; axis--) steps[axis] = (steps[axis + 1] ?? 1) * (dims[axis + 1] ?? 1)
  return steps
}

/** Calls back for each combination of indices along the axes, with its place in the target and in the source. */
function forEachPlace(
  axes: readonly Axis[],
  targetSteps: readonly number[],
  call: (to: number, from: number) => void,
  depth = 0,
  to = 0,
  from = 0,
): void {
  const axis = axes[depth]
  if (axis === undefined) {
    call(to, from)
    return
  }
  const targetStep = targetSteps[depth] ?? 0
  for (let index = 0; index < axis.size; index++) {
    forEachPlace(axes, targetSteps, call, depth + 1, to + index * targetStep, from + index * axis.step)
  }
}
