/** Resize, Upsample and GridSample. */
import { type Dim, floorDivide, multiply, unknownDim } from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable, ShapeMismatch } from '../operator.ts'
import { unknownDims } from '../tensor-facts.ts'

/** A size times a float32 scale, rounded down. */
function scaled(dim: Dim, scale: number): Dim {
  const factor = Math.fround(scale)
  if (typeof dim === 'number') return Math.floor(Math.fround(factor * dim))
  // Halves, quarters and the like are exact in float32; of other fractions a run may round to either side.
  for (const denominator of [1, 2, 4, 8, 16, 32]) {
    if (Number.isInteger(factor * denominator)) return floorDivide(multiply(dim, factor * denominator), denominator)
  }
  return unknownDim()
}

function scaledShape(shape: readonly Dim[], scales: readonly number[] | undefined, places: readonly number[]): Dim[] {
  if (scales === undefined) return shape.map((dim, axis) => (places.includes(axis) ? unknownDim() : dim))
  if (scales.length !== places.length) throw new ShapeMismatch(`[${scales}] does not scale ${places.length} axes.`)
  return shape.map((dim, axis) => {
    const index = places.indexOf(axis)
    return index < 0 ? dim : scaled(dim, scales[index] ?? 1)
  })
}

const upsample: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const scales = call.opset < 9 ? call.node.attributes.get('scales')?.floats : call.numbers(1)
  return { elementType, shape: shape && scaledShape(shape, scales, [...shape.keys()]) }
}

const resize: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  if (shape === undefined) return { elementType, shape: undefined }
  const places = (node.ints('axes') ?? [...shape.keys()]).map((axis) => axisOf(axis, shape.length))
  // Until opset 10 the scales are the second input; an unused one may be given as an empty tensor.
  const scales = call.opset < 11 ? 1 : 2
  if (call.opset >= 11 && call.has(3) && call.shape(3)?.[0] !== 0)
    return { elementType, shape: sized(call, shape, places) }
  return { elementType, shape: scaledShape(shape, call.numbers(scales), places) }
}

function sized(call: Call, shape: readonly Dim[], places: readonly number[]): Dim[] {
  const sizes = call.elements(3)
  const policy = call.node.string('keep_aspect_ratio_policy', 'stretch')
  const result = [...shape]
  if (policy === 'stretch' || sizes === undefined) {
    for (const [index, axis] of places.entries()) result[axis] = sizes?.[index] ?? unknownDim()
    return result
  }
  // One scale for all axes, by which none becomes larger (or smaller) than asked for.
  const ratios = places.map((axis, index) => Number(sizes[index]) / Number(shape[axis]))
  const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios)
  for (const axis of places) {
    result[axis] = Number.isFinite(ratio) ? Math.floor(Number(shape[axis]) * ratio + 0.5) : unknownDim()
  }
  return result
}

/** X [N, C, …] sampled at a grid [N, …, spatial rank]. */
const gridSample: Operator = (call) => {
  const [x, grid] = [call.shape(0), call.shape(1)]
  const rank = x?.length ?? grid?.length
  if (rank === undefined) return { elementType: call.elementType(0), shape: undefined }
  const [batch = unknownDim(), channels = unknownDim()] = x ?? []
  const spatial = grid?.slice(1, -1) ?? unknownDims(rank - 2)
  return { elementType: call.elementType(0), shape: [batch, channels, ...spatial] }
}

export const resizing: OperatorTable = { Resize: resize, Upsample: upsample, GridSample: gridSample }
