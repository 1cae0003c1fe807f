import type { Value } from '../../graph/index.ts'
import { lowerBound, multiply, add as plus, type Dim as Size, subtract } from '../../graph/shapes/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'

/** A tensor of whole numbers that grow evenly along each axis: its element at i₀, i₁, … is offset + Σ stepₖ·iₖ. */
export interface IndexMap {
  readonly shape: readonly Size[]
  readonly offset: Size
  /** A step along each axis; 0 along axes of size 1. */
  readonly steps: readonly Size[]
}

/** Reads that form off what computes a value: Range, constants, sums, products with a number, and changes of shape. */
export function indexMap(value: Value | undefined, context: FusionContext): IndexMap | undefined {
  if (value === undefined) return undefined
  const shape = sizes(context.shape(value))
  if (shape === undefined) return undefined
  const tensor = value.constant
  if (tensor !== undefined)
    return tensor.hasNumbers && tensor.size > 0 ? ofNumbers(tensor.dims, tensor.toNumbers()) : undefined
  const data = sizes(context.data(value))
  const [only] = data ?? []
  if (data?.length === 1 && only !== undefined) return { shape, offset: only, steps: shape.map(() => 0) }
  const node = value.producer
  if (node === undefined || node.domain !== '') return undefined
  const [a, b] = node.inputs
  switch (node.op) {
    case 'Range': {
      const [start, step] = [scalar(a, context), scalar(node.inputs[2], context)]
      return start === undefined || step === undefined ? undefined : { shape, offset: start, steps: [step] }
    }
    case 'Cast':
      return isWhole(a, context) && isWhole(value, context) ? indexMap(a, context) : undefined
    case 'Identity':
      return indexMap(a, context)
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Reshape':
      return reshaped(indexMap(a, context), shape)
    case 'Expand':
      return stretched(indexMap(a, context), shape)
    case 'Add':
    case 'Sub': {
      const [left, right] = [a, b].map((input) => stretched(indexMap(input, context), shape))
      if (left === undefined || right === undefined) return undefined
      const combine = node.op === 'Add' ? plus : subtract
      return {
        shape,
        offset: combine(left.offset, right.offset),
        steps: left.steps.map((step, axis) => combine(step, right.steps[axis] ?? 0)),
      }
    }
    case 'Mul': {
      const factor = scalar(a, context) ?? scalar(b, context)
      const other = scalar(a, context) === undefined ? a : b
      const map = stretched(indexMap(other, context), shape)
      if (factor === undefined || map === undefined) return undefined
      return { shape, offset: multiply(map.offset, factor), steps: map.steps.map((step) => multiply(step, factor)) }
    }
    case 'Slice':
      return sliced(
        indexMap(a, context),
        node.inputs.slice(1).map((input) => numbers(input, context)),
        shape,
      )
    default:
      return undefined
  }
}

/** The smallest element. */
export const smallest = (map: IndexMap): number =>
  map.steps.every((step) => lowerBound(step) >= 0) ? lowerBound(map.offset) : Number.NEGATIVE_INFINITY

/** How many elements there are, if they count 0, 1, 2, … in row-major order; undefined if they do not. */
export function countsUp({ shape, offset, steps }: IndexMap): Size | undefined {
  if (offset !== 0) return undefined
  let count: Size = 1
  for (const [index, size] of [...shape.entries()].reverse()) {
    if (size !== 1 && !sameDim(steps[index], count)) return undefined
    count = multiply(count, size)
  }
  return count
}

const wholeTypes: ReadonlySet<string | undefined> = new Set(['int64', 'int32'])
const isWhole = (value: Value | undefined, context: FusionContext): boolean =>
  value !== undefined && wholeTypes.has(context.elementType(value))

/** Sizes as expressions; undefined where one is something else. */
const sizes = (dims: readonly Dim[] | undefined): readonly Size[] | undefined => dims as readonly Size[] | undefined

function scalar(value: Value | undefined, context: FusionContext): Size | undefined {
  const data = value && sizes(context.data(value))
  return data?.length === 1 ? data[0] : undefined
}

const numbers = (value: Value | undefined, context: FusionContext): readonly number[] | undefined => {
  const data = value && context.data(value)
  return data?.every((element) => typeof element === 'number') ? data : undefined
}

/** Numbers that are known, where they grow evenly. */
export function ofNumbers(shape: readonly number[], elements: ArrayLike<number>): IndexMap | undefined {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))
  const [offset = 0] = [elements[0]]
  const steps = shape.map((size, axis) => (size === 1 ? 0 : (elements[strides[axis] ?? 0] ?? 0) - offset))
  for (let index = 0; index < elements.length; index++) {
    let expected = offset
    for (const [axis, stride] of strides.entries()) {
      expected += (Math.floor(index / stride) % (shape[axis] ?? 1)) * (steps[axis] ?? 0)
    }
    if (elements[index] !== expected) return undefined
  }
  return { shape, offset, steps }
}

/** The same elements where only axes of size 1 came or went. */
function reshaped(map: IndexMap | undefined, shape: readonly Size[]): IndexMap | undefined {
  if (map === undefined) return undefined
  const long = map.shape.flatMap((size, axis) => (size === 1 ? [] : [{ size, step: map.steps[axis] ?? 0 }]))
  const steps: Size[] = []
  for (const size of shape) {
    if (size === 1) steps.push(0)
    else {
      const next = long.shift()
      if (next === undefined || !sameDim(next.size, size)) return undefined
      steps.push(next.step)
    }
  }
  return long.length === 0 ? { shape, offset: map.offset, steps } : undefined
}

/** Broadcast to a shape. */
function stretched(map: IndexMap | undefined, shape: readonly Size[]): IndexMap | undefined {
  if (map === undefined || map.shape.length > shape.length) return undefined
  const missing = shape.length - map.shape.length
  const steps = shape.map((size, axis) => {
    const own = map.shape[axis - missing]
    if (own === undefined || own === 1) return 0
    return sameDim(own, size) ? (map.steps[axis - missing] ?? 0) : undefined
  })
  return steps.every((step) => step !== undefined) ? { shape, offset: map.offset, steps } : undefined
}

/** A part that starts at known places; `operands` are starts, ends, axes and steps. */
function sliced(
  map: IndexMap | undefined,
  [starts, , axes, strides]: readonly (readonly number[] | undefined)[],
  shape: readonly Size[],
): IndexMap | undefined {
  if (map === undefined || starts === undefined || strides?.some((stride) => stride !== 1)) return undefined
  let offset = map.offset
  for (const [index, start] of starts.entries()) {
    const axis = axes?.[index] ?? index
    if (start < 0 || axis < 0) return undefined
    offset = plus(offset, multiply(map.steps[axis] ?? 0, start))
  }
  // An axis that shrank to one no longer steps; the shape is known by inference.
  return { shape, offset, steps: map.steps.map((step, axis) => (shape[axis] === 1 ? 0 : step)) }
}
