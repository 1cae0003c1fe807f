/** Operators that make a tensor from few numbers, or from none. */
import { type ElementType, elementTypeOfCode } from '../../element-type.ts'
import { int64ToNumber } from '../../int64.ts'
import { completeData } from '../data.ts'
import {
  add,
  ceilDivide,
  type Dim,
  floorDivide,
  maximum,
  multiply,
  productOf,
  subtract,
  unknownDim,
} from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable, ShapeMismatch } from '../operator.ts'
import { TensorFacts, unknownDims } from '../tensor-facts.ts'
import { typeAttribute } from './elementwise.ts'

const constant: Operator = ({ node, surroundings }) => {
  const tensor = node.constantOutput
  if (tensor !== undefined) return TensorFacts.ofTensor(tensor, surroundings.mostElements)
  const sparse = node.attributes.get('sparse_value')?.proto.sparseTensor
  if (!sparse) return undefined
  return { elementType: elementTypeOfCode(sparse.values?.dataType ?? 0), shape: (sparse.dims ?? []).map(int64ToNumber) }
}

/** A shape that comes in as a tensor; only its length may be known. */
function shapeInput(call: Call, index: number): readonly Dim[] | undefined {
  const [rank] = call.shape(index) ?? []
  return call.elements(index) ?? (typeof rank === 'number' ? unknownDims(rank) : undefined)
}

const constantOfShape: Operator = (call) => {
  const value = call.node.attributes.get('value')?.tensor
  const elementType = value?.elementType ?? 'float32'
  const shape = shapeInput(call, 0)
  const size = call.smallSize(shape)
  if (size === undefined || (value !== undefined && !value.hasNumbers)) return { elementType, shape }
  return { elementType, shape, data: new Array(size).fill(value?.scalar ?? 0) }
}

const shapeOf: Operator = (call) => {
  const { node } = call
  const shape = call.shape(0)
  if (shape === undefined) return { elementType: 'int64', shape: [unknownDim()] }
  const clamp = (index: number): number => Math.min(Math.max(index < 0 ? index + shape.length : index, 0), shape.length)
  const dims = shape.slice(clamp(node.int('start', 0)), clamp(node.int('end', shape.length)))
  return { elementType: 'int64', shape: [dims.length], data: dims }
}

const sizeOf: Operator = (call) => {
  const shape = call.shape(0)
  return { elementType: 'int64', shape: [], ...(shape ? { data: [productOf(shape)] } : {}) }
}

const range: Operator = (call) => {
  const elementType = call.elementType(0) ?? call.elementType(1)
  const isWhole = elementType === 'int64' || elementType === 'int32' || elementType === 'int16'
  const scalar = (index: number): Dim | undefined => (isWhole ? call.scalar(index) : call.number(index))
  const [start, limit, delta] = [scalar(0), scalar(1), scalar(2)]
  if (start === undefined || limit === undefined || typeof delta !== 'number' || delta === 0) {
    return { elementType, shape: [unknownDim()] }
  }
  const count = isWhole ? wholeCount(start, limit, delta) : realCount(Number(start), Number(limit), delta, elementType)
  const isExact = isWhole || [start, limit, delta].every((number) => isExactFloat(Number(number)))
  const isSmall = isExact && call.smallSize([count]) !== undefined
  const elements =
    isSmall && typeof count === 'number'
      ? Array.from({ length: count }, (_, index) => add(start, index * delta))
      : undefined
  return { elementType, shape: [count], data: elements && completeData(elements, elementType) }
}

/** Whole numbers which float32, and float64, add without rounding. */
const isExactFloat = (number: number): boolean => Number.isInteger(number) && Math.abs(number) < 2 ** 24

const wholeCount = (start: Dim, limit: Dim, delta: number): Dim =>
  maximum(delta > 0 ? ceilDivide(subtract(limit, start), delta) : ceilDivide(subtract(start, limit), -delta), 0)

/** Runtimes subtract and divide in float32 or in float64: where that matters the count is open. */
function realCount(start: number, limit: number, delta: number, type: ElementType | undefined): Dim {
  const round = type === 'float64' ? (value: number) => value : Math.fround
  const difference = round(limit - start)
  const [count = 0, ...others] = [(limit - start) / delta, difference / delta, round(difference / delta)].map(Math.ceil)
  return others.every((other) => other === count) ? Math.max(count, 0) : unknownDim()
}

/** Shape from an attribute. */
const random: Operator = (call) => ({
  elementType: typeAttribute(call, 'dtype', 'float32'),
  shape: call.node.ints('shape') ?? [],
})

/** Shape of the input; its type too, unless `dtype` says otherwise. */
const randomLike: Operator = (call) => ({
  elementType: typeAttribute(call, 'dtype', call.elementType(0)),
  shape: call.shape(0),
})

const multinomial: Operator = (call) => ({
  elementType: typeAttribute(call, 'dtype', 'int32'),
  shape: [call.shape(0)?.[0] ?? unknownDim(), call.node.int('sample_size', 1)],
})

const window: Operator = (call) => ({
  elementType: typeAttribute(call, 'output_datatype', 'float32'),
  shape: [call.scalar(0) ?? unknownDim()],
})

const melWeightMatrix: Operator = (call) => {
  const [bins, length] = [call.scalar(0), call.scalar(1)]
  return {
    elementType: typeAttribute(call, 'output_datatype', 'float32'),
    shape: [length === undefined ? unknownDim() : add(floorDivide(length, 2), 1), bins ?? unknownDim()],
  }
}

// ---- signals

/** [N, …, 1 or 2] along one axis; the last dim holds the real and the imaginary part. */
const fourierTransform: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  if (shape === undefined) return { elementType, shape: undefined }
  const axis = call.opset < 20 ? node.int('axis', 1) : call.has(2) ? call.number(2) : -2
  if (axis === undefined) return { elementType, shape: unknownDims(shape.length) }
  const place = axisOf(axis, shape.length)
  const length = call.has(1) ? (call.scalar(1) ?? unknownDim()) : undefined
  const isInverse = node.int('inverse', 0) === 1
  const isOneSided = node.int('onesided', 0) === 1
  const size = length ?? shape[place] ?? unknownDim()
  const result = [...shape]
  result[shape.length - 1] = isInverse && isOneSided ? 1 : 2
  result[place] = !isOneSided
    ? size
    : isInverse
      ? (length ?? multiply(subtract(size, 1), 2))
      : add(floorDivide(size, 2), 1)
  return { elementType, shape: result }
}

/** Signal [N, length, 1 or 2] → [N, frames, bins, 2]. */
const shortTimeFourierTransform: Operator = (call) => {
  const elementType = call.elementType(0)
  const [batch = unknownDim(), length] = call.shape(0) ?? []
  const step = call.scalar(1)
  const frame = call.has(3) ? call.scalar(3) : call.shape(2)?.[0]
  const frames =
    length === undefined || frame === undefined || typeof step !== 'number' || step < 1
      ? unknownDim()
      : add(floorDivide(subtract(length, frame), step), 1)
  const isOneSided = call.node.int('onesided', 1) === 1
  const bins = frame === undefined ? unknownDim() : isOneSided ? add(floorDivide(frame, 2), 1) : frame
  return { elementType, shape: [batch, frames, bins, 2] }
}

/** theta [N, 2, 3] or [N, 3, 4] and a size → a grid [N, H, W, 2] or [N, D, H, W, 3]. */
const affineGrid: Operator = (call) => {
  const [batch = unknownDim(), , ...spatial] = call.elements(1) ?? []
  const rank = call.shape(1)?.[0]
  const count = typeof rank === 'number' ? rank - 2 : undefined
  if (count !== undefined && count < 1) throw new ShapeMismatch(`A grid has no size of ${rank} entries.`)
  return {
    elementType: call.elementType(0),
    shape: count === undefined ? undefined : [batch, ...(spatial.length > 0 ? spatial : unknownDims(count)), count],
  }
}

export const generating: OperatorTable = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: sizeOf,
  Range: range,
  RandomNormal: random,
  RandomUniform: random,
  RandomNormalLike: randomLike,
  RandomUniformLike: randomLike,
  Bernoulli: randomLike,
  EyeLike: randomLike,
  Multinomial: multinomial,
  HannWindow: window,
  HammingWindow: window,
  BlackmanWindow: window,
  MelWeightMatrix: melWeightMatrix,
  DFT: fourierTransform,
  STFT: shortTimeFourierTransform,
  AffineGrid: affineGrid,
  ImageDecoder: (call) => ({
    elementType: 'uint8',
    shape: [unknownDim(), unknownDim(), call.node.string('pixel_format', 'RGB') === 'Grayscale' ? 1 : 3],
  }),
}
