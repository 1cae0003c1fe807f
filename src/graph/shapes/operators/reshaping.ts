/** Operators that give the same elements another shape, or repeat them. */
import { broadcastPlaces } from '../data.ts'
import {
  add,
  type Dim,
  exactDivide,
  floorDivide,
  lowerBound,
  multiply,
  productOf,
  provablyDifferent,
  unknownDim,
} from '../expression.ts'
import { axisOf, broadcast, type Call, type Operator, type OperatorTable, ShapeMismatch } from '../operator.ts'
import { type TensorShape, unknownDims } from '../tensor-facts.ts'

/** The first input under another shape; its elements keep their order. */
const underShape = (call: Call, shape: readonly Dim[] | undefined): TensorShape => ({
  elementType: call.elementType(0),
  shape,
  data: call.smallSize(shape) === undefined ? undefined : call.data(0),
})

const reshape: Operator = (call) => {
  const { node } = call
  const target = call.opset < 5 ? node.ints('shape') : call.elements(1)
  if (target !== undefined) {
    return underShape(call, reshaped(call.shape(0), target, node.int('allowzero', 0) === 1))
  }
  const [rank] = call.shape(1) ?? []
  return underShape(call, typeof rank === 'number' ? unknownDims(rank) : undefined)
}

/** 0 copies the dim at its place, −1 takes what is left. A size whose sign is open may be either. */
function reshaped(from: readonly Dim[] | undefined, target: readonly Dim[], allowZero: boolean): readonly Dim[] {
  const open: number[] = []
  const shape = target.map((dim, index): Dim => {
    if (dim === 0 && !allowZero) {
      if (from === undefined) return unknownDim()
      const copied = from[index]
      if (copied === undefined) throw new ShapeMismatch(`The shape [${from}] has no axis ${index} to copy.`)
      return copied
    }
    if (lowerBound(dim) < 0) open.push(index)
    return dim
  })
  const total = from && productOf(from)
  const known = productOf(shape.filter((_, index) => !open.includes(index)))
  const [only] = open
  if (only === undefined) {
    if (total !== undefined && provablyDifferent(total, known)) {
      throw new ShapeMismatch(`[${from}] does not reshape to [${target}].`)
    }
    return shape
  }
  if (open.length > 1) return shape.map((dim, index) => (open.includes(index) ? unknownDim() : dim))
  shape[only] =
    total === undefined ? unknownDim() : remaining(total, known, `[${from}] does not reshape to [${target}].`)
  return shape
}

/** total / known, which leaves no rest in any run. */
function remaining(total: Dim, known: Dim, problem: string): Dim {
  if (known === 0) return unknownDim()
  const exact = exactDivide(total, known)
  if (exact !== undefined) return exact
  if (typeof total === 'number' && typeof known === 'number') throw new ShapeMismatch(problem)
  return floorDivide(total, known)
}

const flatten: Operator = (call) => {
  const shape = call.shape(0)
  if (shape === undefined) return underShape(call, unknownDims(2))
  const axis = call.node.int('axis', 1)
  const split = axis < 0 ? axis + shape.length : axis
  return underShape(call, [productOf(shape.slice(0, split)), productOf(shape.slice(split))])
}

/** Axes as an attribute, or from opset 13 as the second input; undefined when they are not known. */
function axesOf(call: Call): readonly number[] | undefined {
  if (call.opset < 13 || !call.has(1)) return call.node.ints('axes') ?? []
  return call.numbers(1)
}

const squeeze: Operator = (call) => {
  const shape = call.shape(0)
  const axes = axesOf(call)
  if (shape === undefined) return underShape(call, undefined)
  if (axes === undefined) {
    const [count] = call.shape(1) ?? []
    const rank = typeof count === 'number' && count > 0 ? shape.length - count : undefined
    return underShape(call, rank === undefined || rank < 0 ? undefined : unknownDims(rank))
  }
  if (axes.length > 0) {
    const gone = new Set(axes.map((axis) => axisOf(axis, shape.length)))
    for (const axis of gone) {
      if (provablyDifferent(shape[axis] ?? 1, 1)) throw new ShapeMismatch(`Axis ${axis} of [${shape}] is not 1.`)
    }
    return underShape(
      call,
      shape.filter((_, axis) => !gone.has(axis)),
    )
  }
  // Without axes all that are 1 go: the rank is open if a dim may be.
  if (shape.some((dim) => dim !== 1 && !provablyDifferent(dim, 1))) return underShape(call, undefined)
  return underShape(
    call,
    shape.filter((dim) => dim !== 1),
  )
}

const unsqueeze: Operator = (call) => {
  const shape = call.shape(0)
  const axes = axesOf(call)
  if (shape === undefined) return underShape(call, undefined)
  if (axes === undefined) {
    const [count] = call.shape(1) ?? []
    return underShape(call, typeof count === 'number' ? unknownDims(shape.length + count) : undefined)
  }
  const rank = shape.length + axes.length
  const added = new Set(axes.map((axis) => axisOf(axis, rank)))
  const rest = shape[Symbol.iterator]()
  const dims = Array.from({ length: rank }, (_, axis): Dim => (added.has(axis) ? 1 : (rest.next().value ?? 1)))
  return underShape(call, dims)
}

/** Strides of a row-major tensor, in elements. */
export function stridesOf(shape: readonly Dim[]): number[] {
  const strides: number[] = new Array(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * Number(shape[axis + 1])
  }
  return strides
}

/** A small tensor's elements in another arrangement: `place` gives an element's index in `data` from its coordinates. */
export function arranged(
  call: Call,
  data: readonly Dim[],
  shape: readonly Dim[],
  place: (coordinates: readonly number[]) => number,
): readonly Dim[] | undefined {
  const size = call.smallSize(shape)
  if (size === undefined) return undefined
  const strides = stridesOf(shape)
  const result: Dim[] = []
  for (let index = 0; index < size; index++) {
    const coordinates = shape.map((dim, axis) => Math.floor(index / (strides[axis] ?? 1)) % Number(dim))
    const element = data[place(coordinates)]
    if (element === undefined) return undefined
    result.push(element)
  }
  return result
}

const transpose: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const given = call.node.ints('perm')
  if (shape === undefined) return { elementType, shape: given && unknownDims(given.length) }
  const permutation = given ?? [...shape.keys()].reverse()
  if (permutation.length !== shape.length) {
    throw new ShapeMismatch(`perm [${permutation}] does not fit a tensor of rank ${shape.length}.`)
  }
  const result = permutation.map((axis) => shape[axisOf(axis, shape.length)] ?? 1)
  const data = call.data(0)
  const strides = data && stridesOf(shape)
  return {
    elementType,
    shape: result,
    data:
      data &&
      arranged(call, data, result, (coordinates) =>
        coordinates.reduce((sum, at, axis) => sum + at * (strides?.[permutation[axis] ?? 0] ?? 0), 0),
      ),
  }
}

const expand: Operator = (call) => {
  const elementType = call.elementType(0)
  const [count] = call.shape(1) ?? []
  const target = call.elements(1) ?? (typeof count === 'number' ? unknownDims(count) : undefined)
  const shape = broadcast(call.shape(0), target)
  const data = call.data(0)
  const size = call.smallSize(shape)
  return {
    elementType,
    shape,
    data:
      data && size !== undefined
        ? broadcastPlaces(call.shape(0) ?? [], shape ?? [], size).flatMap((place) => data[place] ?? [])
        : undefined,
  }
}

const tile: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  if (shape === undefined) return { elementType, shape: undefined }
  if (call.opset < 6) {
    const [tiles, axis] = [call.scalar(1), call.number(2)]
    if (axis === undefined) return { elementType, shape: unknownDims(shape.length) }
    const place = axisOf(axis, shape.length)
    return {
      elementType,
      shape: shape.map((dim, index) => (index === place ? multiply(dim, tiles ?? unknownDim()) : dim)),
    }
  }
  const repeats = call.elements(1)
  if (repeats === undefined) return { elementType, shape: unknownDims(shape.length) }
  if (repeats.length !== shape.length) throw new ShapeMismatch(`[${repeats}] does not tile [${shape}].`)
  const result = shape.map((dim, axis) => multiply(dim, repeats[axis] ?? 1))
  const data = call.data(0)
  const strides = data && stridesOf(shape)
  return {
    elementType,
    shape: result,
    data:
      data &&
      arranged(call, data, result, (coordinates) =>
        coordinates.reduce((sum, at, axis) => sum + (at % Number(shape[axis])) * (strides?.[axis] ?? 0), 0),
      ),
  }
}

/** [N, C, H, W] with blocks of channels laid out in space, or the other way about: one factor for the channels, one for each axis of space. */
const rearrangeBlocks =
  (channelsOf: (channels: Dim, blockSize: number) => Dim, spaceOf: (dim: Dim, block: number) => Dim): Operator =>
  (call) => {
    const block = call.node.int('blocksize', 1)
    const shape = call.shape(0)
    const [batch = unknownDim(), channels = unknownDim(), ...spatial] = shape ?? unknownDims(4)
    return {
      elementType: call.elementType(0),
      shape: shape && [
        batch,
        channelsOf(channels, block ** spatial.length),
        ...spatial.map((dim) => spaceOf(dim, block)),
      ],
    }
  }

const depthToSpace = rearrangeBlocks(floorDivide, multiply)
const spaceToDepth = rearrangeBlocks(multiply, floorDivide)

/** Each axis grows by its two pads, which may be negative. */
const pad: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  if (shape === undefined) return { elementType, shape: undefined }
  const pads = call.opset < 11 ? (node.ints('pads') ?? node.ints('paddings')) : call.elements(1)
  const axes = call.opset >= 18 && call.has(3) ? call.numbers(3) : [...shape.keys()]
  if (pads === undefined || axes === undefined) return { elementType, shape: unknownDims(shape.length) }
  if (pads.length !== 2 * axes.length) throw new ShapeMismatch(`[${pads}] does not pad ${axes.length} axes.`)
  const result = [...shape]
  axes.forEach((axis, index) => {
    const place = axisOf(axis, shape.length)
    const [begin = 0, end = 0] = [pads[index], pads[index + axes.length]]
    result[place] = add(result[place] ?? 1, add(begin, end))
  })
  return { elementType, shape: result }
}

/** Cropped or padded around the centre to the sizes given. */
const centerCropPad: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const target = call.elements(1)
  if (shape === undefined) return { elementType, shape: undefined }
  const axes = call.node.ints('axes') ?? [...shape.keys()]
  const places = axes.map((axis) => axisOf(axis, shape.length))
  return {
    elementType,
    shape: shape.map((dim, axis) => {
      const index = places.indexOf(axis)
      return index < 0 ? dim : (target?.[index] ?? unknownDim())
    }),
  }
}

export const reshaping: OperatorTable = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Pad: pad,
  CenterCropPad: centerCropPad,
}
