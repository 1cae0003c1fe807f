/** Convolutions and poolings: what becomes of the spatial dims. */
import type { ElementType } from '../../element-type.ts'
import {
  add,
  ceilDivide,
  type Dim,
  exactDivide,
  floorDivide,
  minimum,
  multiply,
  subtract,
  unknownDim,
} from '../expression.ts'
import { type Call, type Operator, type OperatorTable, ShapeMismatch, unify } from '../operator.ts'

/** A window that slides over spatial dims. */
interface Window {
  readonly kernel: readonly Dim[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Begin of each axis, then end of each. */
  readonly pads: readonly number[]
  readonly autoPad: string
}

const ones = (count: number): number[] => new Array(count).fill(1)

function windowOf(call: Call, kernel: readonly Dim[]): Window {
  const { node } = call
  const count = kernel.length
  return {
    kernel,
    strides: listOf(node.ints('strides'), count, 1),
    dilations: listOf(node.ints('dilations'), count, 1),
    pads: listOf(node.ints('pads'), 2 * count, 0),
    autoPad: node.string('auto_pad', 'NOTSET'),
  }
}

function listOf(given: readonly number[] | undefined, count: number, fallback: number): readonly number[] {
  if (given === undefined || given.length === 0) return new Array(count).fill(fallback)
  if (given.length !== count) throw new ShapeMismatch(`An attribute has ${given.length} entries in place of ${count}.`)
  return given
}

/** Places covered by a dilated kernel. */
const extent = (kernel: Dim, dilation: number): Dim => add(multiply(subtract(kernel, 1), dilation), 1)

/** The size of an axis after the window slid over it. */
function slide(size: Dim, axis: number, window: Window, ceilMode: boolean): Dim {
  const { kernel, strides, dilations, pads, autoPad } = window
  const stride = strides[axis] ?? 1
  const reach = extent(kernel[axis] ?? 1, dilations[axis] ?? 1)
  if (stride < 1) throw new ShapeMismatch('A stride is less than 1.')
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') return ceilDivide(size, stride)
  const [begin, end] = autoPad === 'VALID' ? [0, 0] : [pads[axis] ?? 0, pads[axis + kernel.length] ?? 0]
  const room = subtract(add(size, begin + end), reach)
  if (typeof room === 'number' && room < 0) {
    // Runtimes that divide toward zero still give 1 where the window sticks out by less than a stride.
    if (room > -stride) return unknownDim()
    throw new ShapeMismatch(`A window of ${reach} does not fit into a dimension of ${add(size, begin + end)}.`)
  }
  if (!ceilMode) return add(floorDivide(room, stride), 1)
  // The last window has to begin inside the data or its left padding.
  return minimum(add(ceilDivide(room, stride), 1), ceilDivide(add(size, begin), stride))
}

function slideAll(spatial: readonly Dim[], window: Window, ceilMode = false): Dim[] {
  return spatial.map((size, axis) => slide(size, axis, window, ceilMode))
}

/** Kernel sizes: the attribute, else the weight's dims after the channels. */
function kernelOf(call: Call, weight: readonly Dim[] | undefined): readonly Dim[] | undefined {
  const kernel = call.node.ints('kernel_shape')
  return kernel !== undefined && kernel.length > 0 ? kernel : weight?.slice(2)
}

/** X [N, C, …] and W [M, C/group, …] at the given places. */
const convolution =
  (places: { x: number; w: number }, typeOf: (call: Call) => ElementType | undefined): Operator =>
  (call) => {
    const elementType = typeOf(call)
    const x = call.shape(places.x)
    const w = call.shape(places.w)
    if (x === undefined) return { elementType, shape: undefined }
    if (x.length < 3 || (w !== undefined && w.length !== x.length)) {
      throw new ShapeMismatch(`A tensor of rank ${x.length} is convolved with a weight of rank ${w?.length}.`)
    }
    const [batch = 1, channels = 1, ...spatial] = x
    const [features = unknownDim(), perGroup] = w ?? []
    if (perGroup !== undefined) unify(channels, multiply(perGroup, call.node.int('group', 1)))
    const kernel = kernelOf(call, w)
    if (kernel === undefined) return { elementType, shape: [batch, features, ...spatial.map(unknownDim)] }
    return { elementType, shape: [batch, features, ...slideAll(spatial, windowOf(call, kernel))] }
  }

/** X [N, C, …] and W [C, M/group, …]. */
const transposedConvolution: Operator = (call) => {
  const elementType = call.elementType(0)
  const [x, w] = [call.shape(0), call.shape(1)]
  if (x === undefined) return { elementType, shape: undefined }
  const [batch = 1, channels = 1, ...spatial] = x
  if (w !== undefined && w[0] !== undefined) unify(channels, w[0])
  const features = w?.[1] === undefined ? unknownDim() : multiply(w[1], call.node.int('group', 1))
  return { elementType, shape: [batch, features, ...transposedSpatial(call, spatial, kernelOf(call, w))] }
}

function transposedSpatial(call: Call, spatial: readonly Dim[], kernel: readonly Dim[] | undefined): Dim[] {
  const { node } = call
  const given = node.ints('output_shape')
  if (given !== undefined && given.length >= spatial.length) return given.slice(-spatial.length)
  if (kernel === undefined || kernel.length !== spatial.length) return spatial.map(unknownDim)
  const { strides, dilations, pads, autoPad } = windowOf(call, kernel)
  const extra = listOf(node.ints('output_padding'), spatial.length, 0)
  return spatial.map((size, axis) => {
    const stride = strides[axis] ?? 1
    const reach = extent(kernel[axis] ?? 1, dilations[axis] ?? 1)
    const full = add(add(multiply(subtract(size, 1), stride), reach), extra[axis] ?? 0)
    // Padding is never negative: a kernel smaller than its stride gives less.
    if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') return minimum(full, multiply(size, stride))
    const padding = autoPad === 'VALID' ? 0 : (pads[axis] ?? 0) + (pads[axis + spatial.length] ?? 0)
    return subtract(full, padding)
  })
}

/** Max, average and Lp pooling; the second output of MaxPool holds indices. */
const pooling: Operator = (call) => {
  const elementType = call.elementType(0)
  const x = call.shape(0)
  const kernel = kernelOf(call, undefined)
  if (x === undefined || kernel === undefined) {
    return [
      { elementType, shape: undefined },
      { elementType: 'int64', shape: undefined },
    ]
  }
  if (x.length !== kernel.length + 2) {
    throw new ShapeMismatch(`A window of rank ${kernel.length} slides over a tensor of rank ${x.length}.`)
  }
  const [batch = 1, channels = 1, ...spatial] = x
  const ceilMode = call.node.int('ceil_mode', 0) === 1
  const shape = [batch, channels, ...slideAll(spatial, windowOf(call, kernel), ceilMode)]
  return [
    { elementType, shape },
    { elementType: 'int64', shape },
  ]
}

const globalPooling: Operator = (call) => {
  const x = call.shape(0)
  return { elementType: call.elementType(0), shape: x && [...x.slice(0, 2), ...ones(Math.max(0, x.length - 2))] }
}

/** The inverse of MaxPool: sizes by its formula turned round, or from the third input. */
const unpooling: Operator = (call) => {
  const elementType = call.elementType(0)
  const x = call.shape(0)
  if (call.has(2)) {
    const shape = call.elements(2) ?? x?.map(unknownDim)
    return { elementType, shape }
  }
  const kernel = kernelOf(call, undefined)
  if (x === undefined || kernel === undefined) return { elementType, shape: undefined }
  const { strides, pads } = windowOf(call, kernel)
  const spatial = x.slice(2).map((size, axis) => {
    const padding = (pads[axis] ?? 0) + (pads[axis + kernel.length] ?? 0)
    return add(multiply(subtract(size, 1), strides[axis] ?? 1), subtract(kernel[axis] ?? 1, padding))
  })
  return { elementType, shape: [...x.slice(0, 2), ...spatial] }
}

/** Regions [R, 5] or [R, 4] of X [N, C, H, W], each pooled to one size. */
const regionPooling =
  (height: (call: Call) => number, width: (call: Call) => number): Operator =>
  (call) => ({
    elementType: call.elementType(0),
    shape: [call.shape(1)?.[0] ?? unknownDim(), call.shape(0)?.[1] ?? unknownDim(), height(call), width(call)],
  })

/** Columns [N, C·block, L] back to an image [N, C, …]. */
const columnsToImage: Operator = (call) => {
  const image = call.elements(1)
  const block = call.numbers(2)
  const [batch = unknownDim(), rows] = call.shape(0) ?? []
  const size = block?.reduce((product, side) => product * side, 1)
  const channels = rows !== undefined && size !== undefined ? exactDivide(rows, size) : undefined
  return {
    elementType: call.elementType(0),
    shape: image && [batch, channels ?? unknownDim(), ...image],
  }
}

/** Depthwise, causal and one-dimensional: the length stays; the state is what the kernel looks back on. */
const causalConvolution: Operator = (call) => {
  const elementType = call.elementType(0)
  const x = call.shape(0)
  const kernel = call.shape(1)?.at(-1)
  const state =
    call.shape(3) ?? (x?.length === 3 && kernel !== undefined ? [...x.slice(0, 2), subtract(kernel, 1)] : undefined)
  return [
    { elementType, shape: x },
    { elementType, shape: state },
  ]
}

const typeOfFirst = (call: Call): ElementType | undefined => call.elementType(0)

export const fusedConvolution = convolution({ x: 0, w: 1 }, typeOfFirst)

export const convolutions: OperatorTable = {
  Conv: convolution({ x: 0, w: 1 }, typeOfFirst),
  DeformConv: convolution({ x: 0, w: 1 }, typeOfFirst),
  ConvInteger: convolution({ x: 0, w: 1 }, () => 'int32'),
  QLinearConv: convolution({ x: 0, w: 3 }, (call) => call.elementType(7)),
  ConvTranspose: transposedConvolution,
  CausalConvWithState: causalConvolution,
  AveragePool: pooling,
  MaxPool: pooling,
  LpPool: pooling,
  GlobalAveragePool: globalPooling,
  GlobalMaxPool: globalPooling,
  GlobalLpPool: globalPooling,
  MaxUnpool: unpooling,
  MaxRoiPool: regionPooling(
    (call) => call.node.ints('pooled_shape')?.[0] ?? 1,
    (call) => call.node.ints('pooled_shape')?.[1] ?? 1,
  ),
  RoiAlign: regionPooling(
    (call) => call.node.int('output_height', 1),
    (call) => call.node.int('output_width', 1),
  ),
  Col2Im: columnsToImage,
}
