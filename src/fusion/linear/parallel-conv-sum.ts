import { Attribute, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { elementwiseAffine } from './elementwise-affine.ts'
import { asLinearOperator, biasOf, perChannel, whySharedWeight } from './linear-operator.ts'
import { roundTo } from './linear-weights.ts'
import { type SlidingWindow, slidingWindow, withWindow } from './sliding-window.ts'

/**
 * Conv(x, V, a) + Conv(x, W, b) → Conv(x, V + W, a + b), the smaller kernel laid over the places of the larger one that it shares: the
 * branches of RepVGG, 3×3 and 1×1. x itself, and a scale and shift of it (a batch norm), count as a 1×1 convolution.
 */
export const parallelConvSum = defineFusion({
  name: 'parallel-conv-sum',
  roots: ['Add', 'Sum'],
  rewrite(root, graph, context) {
    const [left, right, ...others] = root.inputs
    if (left === undefined || right === undefined || left === right) return undefined
    if (root.opset < 8) return undefined
    let branches: Branches | undefined
    for (const { producer } of [left, right]) {
      const x = producer?.is('Conv') ? producer.inputs[0] : undefined
      if (producer === undefined || x === undefined || branches !== undefined) continue
      const [one, two] = [left, right].map((value) => branchOf(value, x, producer, context))
      if (one !== undefined && two !== undefined) branches = { conv: producer, x, one, two }
    }
    if (branches === undefined) return undefined
    const { conv, x, one, two } = branches
    if (typeof one === 'string') return one
    if (typeof two === 'string') return two
    const isLarger = one.size > two.size || (one.size === two.size && one.weight !== undefined)
    const [large, small] = isLarger ? [one, two] : [two, one]
    if (large.channels !== small.channels) return 'one branch has a single channel, which is stretched'
    if (large.weight === undefined) return undefined
    const kernel = laidOver(large, large.weight, small)
    if (typeof kernel === 'string') return kernel
    const weight = roundTo(kernel.like, kernel.dims, kernel.numbers)
    if (typeof weight === 'string') return weight
    const bias = roundTo(
      kernel.like,
      [large.channels],
      large.bias.map((value, c) => value + (small.bias[c] as number)),
    )
    if (typeof bias === 'string') return bias
    const attributes = [
      ...withWindow(conv, large.window).filter(({ name }) => name !== 'group'),
      Attribute.of('group', large.group),
    ]
    const hasBias = bias.toNumbers().some((value) => value !== 0)
    const sum = graph.op('Conv', [x, weight, ...(hasBias ? [bias] : [])], attributes, { like: conv })
    if (others.length === 0) return sum
    return graph.op('Sum', [sum, ...others], {}, { like: root })
  },
})

interface Branches {
  conv: Node
  x: Value
  one: Branch | string
  two: Branch | string
}

/** A branch as a convolution. */
interface Branch {
  readonly window: SlidingWindow
  readonly group: number
  readonly channels: number
  /** [C_out, C_in/group, …] */
  readonly weight: Tensor | undefined
  /** The scale of x for each channel, where it is no convolution. */
  readonly scale: Float64Array | undefined
  readonly bias: Float64Array
  /** Places of its kernel. */
  readonly size: number
}

/** undefined for what is no branch of x. */
function branchOf(value: Value, x: Value, conv: Node, context: FusionContext): Branch | string | undefined {
  const { producer } = value
  if (value === x) return scaledBranch(x, conv, context, undefined)
  if (producer === undefined) return undefined
  if (!producer.is('Conv')) {
    const affine = elementwiseAffine(producer)
    if (typeof affine !== 'object' || affine.data !== x) return undefined
    return whyShared(value) ?? scaledBranch(x, conv, context, producer)
  }
  if (producer.inputs[0] !== x) return undefined
  const operator = asLinearOperator(producer, context)
  if (typeof operator !== 'object') return operator
  const bias = biasOf(operator)
  if (typeof bias === 'string') return bias
  const kernel = operator.weight.dims.slice(2)
  const window = slidingWindow(producer, kernel)
  if (typeof window === 'string') return window
  const shared = whyShared(value) ?? whySharedWeight(producer)
  if (shared !== undefined) return shared
  const { channels, weight } = operator
  return { window, group: producer.int('group', 1), channels, weight, scale: undefined, bias, size: sizeOf(kernel) }
}

/** x, or s·x + t, as a 1×1 convolution beside another one. */
function scaledBranch(
  x: Value,
  conv: Node,
  context: FusionContext,
  node: Node | undefined,
): Branch | string | undefined {
  const weight = conv.inputs[1]?.constant
  if (weight === undefined) return undefined
  const group = conv.int('group', 1)
  const [channels = 0, inputs = 0, ...kernel] = weight.dims
  const shape = context.shape(x)
  if (channels !== inputs * group || !sameDim(shape?.[1], channels)) {
    return `"${x}" is not known to have the ${channels} channels of ${conv}`
  }
  // The identity takes the first three digits of a float16: too few are left for the other branch.
  if (weight.elementType === 'float16' || weight.elementType === 'bfloat16') return 'an identity needs float32 weights'
  const rank = weight.dims.length
  const spread =
    node === undefined
      ? { scale: new Float64Array(channels).fill(1), shift: new Float64Array(channels) }
      : affineOf(node, rank, channels)
  if (typeof spread !== 'object') return spread
  const ones = kernel.map(() => 1)
  const zeros = kernel.map(() => 0)
  return {
    window: { kernel: ones, strides: ones, dilations: ones, begins: zeros, ends: zeros },
    group,
    channels,
    weight: undefined,
    scale: spread.scale,
    bias: spread.shift,
    size: 1,
  }
}

function affineOf(node: Node, rank: number, channels: number) {
  const affine = elementwiseAffine(node)
  if (typeof affine !== 'object') return affine
  return affine.affine((constant) => perChannel(constant, { rank, channelAxis: 1 - rank, channels }), channels)
}

/** The sum of two kernels, in float64; the reason when the places of the small one are not among those of the large one. */
function laidOver(
  large: Branch,
  weight: Tensor,
  small: Branch,
): { like: Tensor; dims: readonly number[]; numbers: Float64Array } | string {
  const [a, b] = [large.window, small.window]
  if (large.group !== small.group) return 'the branches have different groups'
  if (a.strides.some((stride, axis) => stride !== b.strides[axis])) return 'the branches have different strides'
  const places: number[][] = []
  for (const [axis, size] of a.kernel.entries()) {
    const [p, q] = [extent(a, axis), extent(b, axis)]
    if (p.excess !== q.excess) return 'the branches have outputs of different sizes'
    const own: number[] = []
    for (let k = 0; k < (b.kernel[axis] ?? 1); k++) {
      const place = (k * q.dilation - q.begin + p.begin) / p.dilation
      if (!Number.isInteger(place) || place < 0 || place >= size) return 'the kernels do not lie on one another'
      own.push(place)
    }
    places.push(own)
  }
  const numbers = weight.toNumbers()
  const smallNumbers = small.weight?.toNumbers()
  const inputs = weight.dims[1] ?? 0
  const largeSize = sizeOf(a.kernel)
  const smallSize = sizeOf(b.kernel)
  const targets = Array.from({ length: smallSize }, (_, index) => placeOf(index, b.kernel, a.kernel, places))
  const perGroup = large.channels / large.group
  for (let o = 0; o < large.channels; o++) {
    const identity = small.scale === undefined ? -1 : o - Math.floor(o / perGroup) * inputs
    for (let i = 0; i < inputs; i++) {
      for (const [k, target] of targets.entries()) {
        const value = smallNumbers?.[(o * inputs + i) * smallSize + k] ?? (i === identity ? (small.scale?.[o] ?? 0) : 0)
        const at = (o * inputs + i) * largeSize + target
        numbers[at] = (numbers[at] as number) + value
      }
    }
  }
  return { like: weight, dims: weight.dims, numbers }
}

/** How far a window reaches, and by how much padding exceeds it: what the size of the output depends on. */
function extent({ kernel, dilations, begins, ends }: SlidingWindow, axis: number) {
  const [begin = 0, end = 0, dilation = 1, size = 1] = [begins[axis], ends[axis], dilations[axis], kernel[axis]]
  return { begin, dilation, excess: begin + end - dilation * (size - 1) }
}

/** The place in the large kernel of the small kernel's place `index`, both row-major. */
function placeOf(
  index: number,
  small: readonly number[],
  large: readonly number[],
  places: readonly (readonly number[])[],
): number {
  let [rest, place, stride] = [index, 0, 1]
  for (let axis = small.length - 1; axis >= 0; axis--) {
    const size = small[axis] ?? 1
    place += (places[axis]?.[rest % size] ?? 0) * stride
    rest = Math.floor(rest / size)
    stride *= large[axis] ?? 1
  }
  return place
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)
