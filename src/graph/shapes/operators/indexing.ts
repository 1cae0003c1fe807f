/** Operators that pick, split and join parts of tensors. */
import type { ElementType } from '../../element-type.ts'
import {
  add,
  ceilDivide,
  type Dim,
  equalDims,
  exactDivide,
  floorDivide,
  lowerBound,
  maximum,
  minimum,
  productOf,
  subtract,
  unknownDim,
  upperBound,
} from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable, ShapeMismatch, unify } from '../operator.ts'
import { type TensorShape, unknownDims } from '../tensor-facts.ts'
import { arranged, stridesOf } from './reshaping.ts'

// ---- Slice

interface Range {
  readonly axis: number
  readonly start: Dim
  readonly end: Dim
  readonly step: number | undefined
}

/** Exporters write ends like 2³¹−1 or 2⁶³−1 for "to the end". */
const beyondAnySize = 2 ** 31 - 1

function rangesOf(call: Call, rank: number): readonly Range[] | undefined {
  const isInput = call.opset >= 10
  const starts = isInput ? call.elements(1) : call.node.ints('starts')
  const ends = isInput ? call.elements(2) : call.node.ints('ends')
  const given = isInput ? (call.has(3) ? call.numbers(3) : []) : (call.node.ints('axes') ?? [])
  const steps = isInput && call.has(4) ? call.elements(4) : []
  if (starts === undefined || ends === undefined || given === undefined || steps === undefined) return undefined
  return starts.map((start, index) => {
    const step = steps.length === 0 ? 1 : steps[index]
    return {
      axis: axisOf(given.length === 0 ? index : (given[index] ?? index), rank),
      start,
      end: ends[index] ?? start,
      step: typeof step === 'number' && step !== 0 ? step : undefined,
    }
  })
}

/** The greatest int32 and int64 mean "to the end" in either direction. */
const isWholeEnd = (end: Dim): boolean => end === 2 ** 31 - 1 || end === 2 ** 63

/** A start or end counted from the front and held between `low` and `high`; undefined when its sign is open. */
function place(index: Dim, size: Dim, low: number, high: Dim): Dim | undefined {
  if (typeof index === 'number' && index >= beyondAnySize) return high
  if (typeof index === 'number' && index <= -beyondAnySize) return low
  if (lowerBound(index) >= 0) return minimum(index, high)
  return upperBound(index) < 0 ? maximum(add(index, size), low) : undefined
}

function sliceStart({ start, step = 1 }: Range, size: Dim): Dim | undefined {
  // The last element is there unless the axis is empty, and then so is the result.
  if (step < 0 && start === -1) return subtract(size, 1)
  return step > 0 ? place(start, size, 0, size) : place(start, size, 0, subtract(size, 1))
}

function slicedSize(size: Dim, range: Range): Dim {
  const { end, step } = range
  if (size === 0) return 0
  if (step === undefined) return unknownDim()
  const first = sliceStart(range, size)
  const last = step > 0 ? place(end, size, 0, size) : isWholeEnd(end) ? -1 : place(end, size, -1, subtract(size, 1))
  if (first === undefined || last === undefined) return unknownDim()
  if (step === 1 && first === 0 && equalDims(last, size)) return size
  return maximum(step > 0 ? ceilDivide(subtract(last, first), step) : ceilDivide(subtract(first, last), -step), 0)
}

const slice: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  if (shape === undefined) return { elementType, shape: undefined }
  const ranges = rangesOf(call, shape.length)
  if (ranges === undefined) {
    // The axes may be known where starts and ends are not.
    const axes = call.opset >= 10 && call.has(3) ? call.numbers(3) : undefined
    const touched = axes && new Set(axes.map((axis) => axisOf(axis, shape.length)))
    return { elementType, shape: shape.map((dim, axis) => (touched?.has(axis) === false ? dim : unknownDim())) }
  }
  const result = [...shape]
  for (const range of ranges) result[range.axis] = slicedSize(shape[range.axis] ?? 1, range)
  return { elementType, shape: result, data: slicedData(call, shape, result, ranges) }
}

function slicedData(
  call: Call,
  shape: readonly Dim[],
  result: readonly Dim[],
  ranges: readonly Range[],
): readonly Dim[] | undefined {
  const data = call.data(0)
  if (data === undefined) return undefined
  const strides = stridesOf(shape)
  let origin = 0
  const steps = shape.map(() => 1)
  for (const range of ranges) {
    const first = sliceStart(range, shape[range.axis] ?? 1)
    if (typeof first !== 'number' || range.step === undefined) return undefined
    origin += first * (strides[range.axis] ?? 1)
    steps[range.axis] = range.step
  }
  return arranged(call, data, result, (coordinates) =>
    coordinates.reduce((sum, at, axis) => sum + at * (steps[axis] ?? 1) * (strides[axis] ?? 1), origin),
  )
}

// ---- Gather

const gather: Operator = (call) => {
  const elementType = call.elementType(0)
  const [shape, indices] = [call.shape(0), call.shape(1)]
  if (shape === undefined || indices === undefined) return { elementType, shape: undefined }
  const axis = axisOf(call.node.int('axis', 0), shape.length)
  const result = [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)]
  return { elementType, shape: result, data: axis === 0 ? gatheredData(call, shape) : undefined }
}

/** Rows of a small tensor. */
function gatheredData(call: Call, shape: readonly Dim[]): readonly Dim[] | undefined {
  const indices = call.numbers(1)
  const elements = indices && call.elements(0)
  const rows = shape[0]
  if (elements === undefined || indices === undefined || typeof rows !== 'number' || rows === 0) return undefined
  const width = elements.length / rows
  const result: Dim[] = []
  for (const index of indices) {
    const row = index < 0 ? index + rows : index
    if (row < 0 || row >= rows) throw new ShapeMismatch(`Index ${index} is outside the ${rows} rows.`)
    result.push(...elements.slice(row * width, (row + 1) * width))
  }
  return result
}

const gatherElements: Operator = (call) => ({ elementType: call.elementType(0), shape: call.shape(1) })

/** The last axis of the indices addresses that many axes of the data, after the batch. */
const gatherND: Operator = (call) => {
  const elementType = call.elementType(0)
  const [shape, indices] = [call.shape(0), call.shape(1)]
  const depth = indices?.at(-1)
  if (shape === undefined || indices === undefined || typeof depth !== 'number')
    return { elementType, shape: undefined }
  const batch = call.node.int('batch_dims', 0)
  return { elementType, shape: [...indices.slice(0, -1), ...shape.slice(batch + depth)] }
}

// ---- Concat and Split

const concat: Operator = (call) => {
  const elementType = call.inputs.find((facts) => facts?.elementType !== undefined)?.elementType
  const shapes = call.inputs.flatMap((facts) => (facts?.shape === undefined ? [] : [facts.shape]))
  const [first] = shapes
  if (first === undefined) return { elementType, shape: undefined }
  const axis = axisOf(call.node.int('axis', call.opset < 4 ? 1 : 0), first.length)
  const result = [...first]
  for (const shape of shapes.slice(1)) {
    if (shape.length !== first.length) throw new ShapeMismatch(`[${first}] and [${shape}] differ in rank.`)
    shape.forEach((dim, index) => {
      const known = result[index] ?? 1
      result[index] = index === axis ? add(known, dim) : unify(known, dim)
    })
  }
  if (shapes.length < call.inputs.length) result[axis] = unknownDim()
  return { elementType, shape: result, data: joinedData(call, result, axis) }
}

function joinedData(call: Call, shape: readonly Dim[], axis: number): readonly Dim[] | undefined {
  const size = call.smallSize(shape)
  if (size === undefined || call.inputs.every((facts) => facts?.data === undefined)) return undefined
  const rows = shape.slice(0, axis).reduce<number>((product, dim) => product * Number(dim), 1)
  const parts: (readonly Dim[])[] = []
  for (const facts of call.inputs) {
    const elements = facts?.elements
    if (elements === undefined) return undefined
    parts.push(elements)
  }
  return Array.from({ length: size === 0 ? 0 : rows }, (_, row) =>
    parts.flatMap((part) => part.slice((row * part.length) / rows, ((row + 1) * part.length) / rows)),
  ).flat()
}

const split: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const count = node.outputs.length
  const shape = call.shape(0)
  if (shape === undefined) return node.outputs.map(() => ({ elementType, shape: undefined }))
  const axis = axisOf(node.int('axis', 0), shape.length)
  const size = shape[axis] ?? 1
  const isGiven = call.has(1)
  const given = isGiven ? call.elements(1) : node.ints('split')
  const sizes =
    given ?? (isGiven ? unknownDims(count) : evenParts(size, node.int('num_outputs', count), call.opset >= 18))
  const data = shape.length === 1 ? call.data(0) : undefined
  let from = 0
  return node.outputs.map((_, index): TensorShape => {
    const part = sizes[index] ?? unknownDim()
    const elements =
      typeof part === 'number' && sizes.every(Number.isInteger) ? data?.slice(from, from + part) : undefined
    if (typeof part === 'number') from += part
    return { elementType, shape: shape.map((dim, place) => (place === axis ? part : dim)), data: elements }
  })
}

/** Equal parts; from opset 18 the last one may be smaller. */
function evenParts(size: Dim, count: number, lastMayBeSmaller: boolean): Dim[] {
  const exact = exactDivide(size, count)
  if (exact !== undefined) return new Array(count).fill(exact)
  if (!lastMayBeSmaller) return new Array(count).fill(floorDivide(size, count))
  const part = ceilDivide(size, count)
  return Array.from({ length: count }, (_, index) =>
    index === count - 1 ? subtract(size, productOf([part, count - 1])) : part,
  )
}

// ---- selections whose size only a run knows

const oneHot: Operator = (call) => {
  const indices = call.shape(0)
  const elementType = call.elementType(2)
  if (indices === undefined) return { elementType, shape: undefined }
  const axis = axisOf(call.node.int('axis', -1), indices.length + 1)
  // The depth may be a float; it is a whole number all the same.
  const depth = call.elements(1)?.[0] ?? call.number(1) ?? unknownDim()
  const whole = typeof depth === 'number' ? Math.trunc(depth) : depth
  return { elementType, shape: [...indices.slice(0, axis), whole, ...indices.slice(axis)] }
}

const compress: Operator = (call) => {
  const elementType = call.elementType(0)
  const axis = call.node.int('axis')
  if (axis === undefined) return { elementType, shape: [unknownDim()] }
  const shape = call.shape(0)
  const place = shape && axisOf(axis, shape.length)
  return { elementType, shape: shape?.map((dim, index) => (index === place ? unknownDim() : dim)) }
}

const nonZero: Operator = (call) => {
  const rank = call.rank(0)
  // A scalar counts as one axis.
  return { elementType: 'int64', shape: [rank === undefined ? unknownDim() : Math.max(rank, 1), unknownDim()] }
}

const unique: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const axis = call.node.int('axis')
  const found = unknownDim()
  const indices = (size: Dim): TensorShape => ({ elementType: 'int64', shape: [size] })
  if (axis === undefined) {
    return [
      { elementType, shape: [found] },
      indices(found),
      indices(shape === undefined ? unknownDim() : productOf(shape)),
      indices(found),
    ]
  }
  const place = shape && axisOf(axis, shape.length)
  return [
    { elementType, shape: shape?.map((dim, index) => (index === place ? found : dim)) },
    indices(found),
    indices(place === undefined ? unknownDim() : (shape?.[place] ?? unknownDim())),
    indices(found),
  ]
}

const fixed =
  (elementType: ElementType, shape: () => readonly Dim[]): Operator =>
  () => ({ elementType, shape: shape() })

export const indexing: OperatorTable = {
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Concat: concat,
  Split: split,
  OneHot: oneHot,
  Compress: compress,
  NonZero: nonZero,
  Unique: unique,
  NonMaxSuppression: fixed('int64', () => [unknownDim(), 3]),
  SequenceLength: fixed('int64', () => []),
  OptionalHasElement: fixed('bool', () => []),
}
