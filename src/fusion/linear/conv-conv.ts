import { Attribute, type Node } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { asLinearOperator, biasOf, type LinearOperator, whySharedWeight } from './linear-operator.ts'
import { largestWork, roundTo } from './linear-weights.ts'
import { type SlidingWindow, slidingWindow, withWindow } from './sliding-window.ts'

/**
 * Conv(Conv(x, V, a), W, b) → Conv(x, W·V, b + W·a), where one of the two is pointwise (1×1) and the result has no more weights.
 *
 * A pointwise second may have strides: they multiply. A pointwise first must have neither strides nor padding, and a second that pads would
 * pad with zeros where the first gives its bias: then the first may have none. Across a single channel there is too little to save for
 * another rounding: the tutorial's model M keeps its three convolutions, as its reference does.
 */
export const convConv = defineFusion({
  name: 'conv-conv',
  roots: ['Conv'],
  rewrite(root, graph, context) {
    const [middle] = root.inputs
    const before = middle?.producer
    if (middle === undefined || before === undefined || !before.is('Conv')) return undefined
    if (!isDense(root) || !isDense(before)) return undefined
    const [first, second] = [asLinearOperator(before, context), asLinearOperator(root, context)]
    if (typeof first !== 'object' || typeof second !== 'object') return undefined
    const [kernel, nextKernel] = [first.weight.dims.slice(2), second.weight.dims.slice(2)]
    const isPointwise = (dims: readonly number[]): boolean => dims.every((dim) => dim === 1)
    if (!isPointwise(kernel) && !isPointwise(nextKernel)) return undefined
    if (first.channels === 1) return 'a single channel between the two is too little to save'
    const shared = whyShared(middle) ?? whySharedWeight(before) ?? whySharedWeight(root)
    if (shared !== undefined) return shared

    const [window, nextWindow] = [slidingWindow(before, kernel), slidingWindow(root, nextKernel)]
    if (typeof window === 'string') return window
    if (typeof nextWindow === 'string') return nextWindow
    const inner = biasOf(first)
    if (typeof inner === 'string') return inner
    const ways = [
      ...(isPointwise(nextKernel) ? [pointwiseSecond(window, nextWindow)] : []),
      ...(isPointwise(kernel) ? [pointwiseFirst(window, nextWindow, inner)] : []),
    ]
    const composed = ways.find((way) => typeof way === 'object') ?? ways[0]
    if (composed === undefined) return undefined
    if (typeof composed === 'string') return composed
    const size = (second.weight.dims[0] ?? 0) * (first.weight.dims[1] ?? 0) * sizeOf(kernel) * sizeOf(nextKernel)
    const sizes = first.weight.size + second.weight.size
    if (size > sizes) return `the product has ${size} weights, the two have ${sizes}`
    if (size * (first.weight.dims[0] ?? 0) > largestWork) return 'the product takes too long to compute'
    const weights = product(first, second)
    const outer = biasOf(second)
    if (typeof outer === 'string') return outer
    const W = roundTo(second.weight, weights.dims, weights.numbers)
    if (typeof W === 'string') return W
    const b = roundTo(
      second.weight,
      [outer.length],
      outer.map((value, o) => value + weights.throughSecond(inner, o)),
    )
    if (typeof b === 'string') return b
    const hasBias = before.inputs[2] !== undefined || root.inputs[2] !== undefined
    return graph.op('Conv', [first.data, W, ...(hasBias ? [b] : [])], groupOfOne(root, composed), { like: root })
  },
})

const isDense = (conv: Node): boolean => conv.int('group', 1) === 1

const groupOfOne = (conv: Node, window: SlidingWindow): Attribute[] => [
  ...withWindow(conv, window).filter(({ name }) => name !== 'group'),
  Attribute.of('group', 1),
]

const isZero = (value: number): boolean => value === 0

function pointwiseSecond(first: SlidingWindow, second: SlidingWindow): SlidingWindow | string {
  if (![...second.begins, ...second.ends].every(isZero)) return 'its padding shows no bias, and its data has one'
  return { ...first, strides: first.strides.map((stride, axis) => stride * (second.strides[axis] ?? 1)) }
}

function pointwiseFirst(first: SlidingWindow, second: SlidingWindow, bias: Float64Array): SlidingWindow | string {
  if (!first.strides.every((stride) => stride === 1) || ![...first.begins, ...first.ends].every(isZero)) {
    return 'the pointwise convolution before it has strides or padding'
  }
  const pads = ![...second.begins, ...second.ends].every(isZero)
  return pads && !bias.every(isZero) ? 'its padding shows no bias, and its data has one' : second
}

/** Σₘ W[o, m, …]·V[m, i, …], one of the kernels being 1×1; in float64. */
function product(
  { weight: V }: LinearOperator,
  { weight: W }: LinearOperator,
): { dims: number[]; numbers: Float64Array; throughSecond(bias: Float64Array, output: number): number } {
  const [outputs = 0, middle = 0, ...nextKernel] = W.dims
  const [, inputs = 0, ...kernel] = V.dims
  const [outerSize, innerSize] = [sizeOf(nextKernel), sizeOf(kernel)]
  const [w, v] = [W.toNumbers(), V.toNumbers()]
  const size = outerSize * innerSize
  const numbers = new Float64Array(outputs * inputs * size)
  for (let o = 0; o < outputs; o++) {
    for (let m = 0; m < middle; m++) {
      for (let k = 0; k < outerSize; k++) {
        const factor = w[(o * middle + m) * outerSize + k] as number
        // Only one of the kernels has more than one place, so the places do not overlap.
        for (let i = 0; i < inputs; i++) {
          for (let j = 0; j < innerSize; j++) {
            const at = (o * inputs + i) * size + (outerSize > 1 ? k : j)
            numbers[at] = (numbers[at] as number) + factor * (v[(m * inputs + i) * innerSize + j] as number)
          }
        }
      }
    }
  }
  return {
    dims: [outputs, inputs, ...(outerSize > 1 ? nextKernel : kernel)],
    numbers,
    throughSecond(bias, output) {
      let sum = 0
      for (let m = 0; m < middle; m++) {
        for (let k = 0; k < outerSize; k++)
          sum += (w[(output * middle + m) * outerSize + k] as number) * (bias[m] as number)
      }
      return sum
    },
  }
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)
