import { type Node, Tensor, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { asLinearOperator } from './linear-operator.ts'
import { slidingWindow, withWindow } from './sliding-window.ts'
import { axisSlices } from './strided-slice.ts'

/**
 * Conv(Concat(x[::b, ::b], x[1::b, ::b], …), W) → Conv(x, W′) with a kernel, strides and pads b times as large: YOLO's Focus, and
 * SpaceToDepth before a convolution. W′ has the numbers of W: W′[o, c, b·i + δ, b·j + ε] = W[o, q·C + c, i, j] for the slice q at (δ, ε).
 *
 * Every one of the b² slices must be there once. Their sizes are equal then, or the Concat fails, so the image divides by b.
 */
export const focusConv = defineFusion({
  name: 'focus-conv',
  roots: ['Conv'],
  rewrite(root, graph, context) {
    const [stacked] = root.inputs
    const stack = stacked?.producer
    if (stacked === undefined || stack === undefined) return undefined
    const focus = stack.is('SpaceToDepth') ? spaceToDepth(stack) : slicesOf(stack, context)
    if (focus === undefined) return undefined
    const operator = asLinearOperator(root, context)
    if (typeof operator !== 'object') return operator
    const { weight } = operator
    const [outputs = 0, inputs = 0, ...kernel] = weight.dims
    const { x, block, offsets } = focus
    const channels = inputs / offsets.length
    if (kernel.length !== 2 || root.int('group', 1) !== 1 || !Number.isInteger(channels))
      return 'it is a convolution in groups'
    if (!stack.is('SpaceToDepth') && !sameDim(context.shape(x)?.[1], channels)) {
      return `"${x}" is not known to have ${channels} channels`
    }
    const shared = whyShared(stacked)
    if (shared !== undefined) return shared
    const window = slidingWindow(root, kernel)
    if (typeof window === 'string') return window
    if (window.dilations.some((dilation) => dilation !== 1)) return 'its kernel has holes (dilations)'

    const [height = 1, width = 1] = kernel
    const source = weight.toTypedArray()
    const target = source.slice()
    for (let o = 0; o < outputs; o++) {
      for (const [q, [down, right]] of offsets.entries()) {
        for (let c = 0; c < channels; c++) {
          for (let i = 0; i < height; i++) {
            for (let j = 0; j < width; j++) {
              const from = ((o * inputs + q * channels + c) * height + i) * width + j
              const row = (o * channels + c) * height * block + block * i + down
              target[row * width * block + block * j + right] = source[from] ?? 0
            }
          }
        }
      }
    }
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
    const times = (numbers: readonly number[]): number[] => numbers.map((number) => number * block)
    const dims = [outputs, channels, ...times(kernel)]
    const enlarged = {
      kernel: times(kernel),
      strides: times(window.strides),
      dilations: window.dilations,
      begins: times(window.begins),
      ends: times(window.ends),
    }
    const bias = root.inputs[2]
    const operands = [x, Tensor.fromBytes(weight.elementType, dims, bytes), ...(bias ? [bias] : [])]
    return graph.op('Conv', operands, withWindow(root, enlarged), { like: root })
  },
})

interface Focus {
  readonly x: Value
  readonly block: number
  /** Where each part of the channels was taken from: rows and columns. */
  readonly offsets: readonly (readonly [number, number])[]
}

/** SpaceToDepth puts the places of a block before the channels: (δ·b + ε)·C + c. */
function spaceToDepth(node: Node): Focus | undefined {
  const [x] = node.inputs
  const block = node.int('blocksize', 0)
  if (x === undefined || block < 2) return undefined
  const offsets = Array.from({ length: block * block }, (_, q) => [Math.floor(q / block), q % block] as const)
  return { x, block, offsets }
}

/** Slices of one value with one step, each offset once, joined along the channels. */
function slicesOf(concat: Node, context: FusionContext): Focus | undefined {
  if (!concat.is('Concat')) return undefined
  const axis = concat.int('axis', 1)
  const taken = concat.inputs.map((input) => input && sliceOf(input, context))
  const [first] = taken
  const block = first?.step ?? 0
  if (first === undefined || block < 2 || taken.length !== block * block || (axis !== 1 && axis !== -3))
    return undefined
  const offsets: (readonly [number, number])[] = []
  for (const slice of taken) {
    if (slice === undefined || slice.x !== first.x || slice.step !== block) return undefined
    offsets.push(slice.offset)
  }
  const isComplete = new Set(offsets.map(String)).size === block * block
  return isComplete ? { x: first.x, block, offsets } : undefined
}

/** Every step-th row and column, by one Slice of two axes or by two Slices one after the other. */
function sliceOf(
  value: Value,
  context: FusionContext,
): { x: Value; step: number; offset: readonly [number, number] } | undefined {
  const found = new Map<number, { start: number; step: number }>()
  let x = value
  while (found.size < 2) {
    const slice = x.producer
    const data = slice?.inputs[0]
    if (slice === undefined || data === undefined || !slice.is('Slice')) return undefined
    const shape = context.shape(data)
    for (const { axis, start, end, step } of axisSlices(slice) ?? []) {
      const image = axis < 0 ? axis + 4 : axis
      const size = shape?.[image]
      const toTheEnd = end >= 2 ** 31 - 1 || (typeof size === 'number' && end >= size)
      // A shorter slice, a second one of the same axis, or one from the end is something else.
      if ((image !== 2 && image !== 3) || found.has(image) || start < 0 || start >= step || !toTheEnd) return undefined
      found.set(image, { start, step })
    }
    if (x === data || axisSlices(slice) === undefined) return undefined
    x = data
  }
  const [rows, columns] = [found.get(2), found.get(3)]
  if (rows === undefined || columns === undefined || rows.step !== columns.step) return undefined
  return { x, step: rows.step, offset: [rows.start, columns.start] }
}
