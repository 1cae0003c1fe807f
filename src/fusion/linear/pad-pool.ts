import { Attribute, type Node, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { spatialPadding } from './padding.ts'
import { slidingWindow, withWindow } from './sliding-window.ts'

/**
 * AveragePool(Pad(x, 0)) → AveragePool(x) that pads and counts what it padded; MaxPool(Pad(x, −∞)) → MaxPool(x) that pads.
 *
 * A MaxPool takes zeros too where no number of x is below them. Left alone: `ceil_mode`, whose last window depends on who pads; dilations;
 * padding as wide as the kernel; averages that do not count their own padding; and maxima that also give their places.
 */
export const padPool = defineFusion({
  name: 'pad-pool',
  roots: ['AveragePool', 'MaxPool'],
  rewrite(root, graph, context) {
    const [padded] = root.inputs
    const pad = padded?.producer
    const data = pad?.inputs[0]
    const kernel = root.ints('kernel_shape')
    if (padded === undefined || pad === undefined || data === undefined || !pad.is('Pad') || kernel === undefined) {
      return undefined
    }
    const shared = whyShared(padded)
    if (shared !== undefined) return shared
    if (root.outputs[1]?.isUsed) return `its second output "${root.outputs[1]}" counts in the padded image`
    if (root.int('ceil_mode', 0) !== 0) return 'with ceil_mode its last window depends on who pads'
    const window = slidingWindow(root, kernel)
    if (typeof window === 'string') return window
    if (window.dilations.some((dilation) => dilation !== 1)) return 'its window has holes (dilations)'
    const padding = spatialPadding(pad, kernel.length, context)
    if (typeof padding === 'string') return padding
    const isMax = root.op === 'MaxPool'
    const reason = isMax
      ? whyNotLeast(padding.value, data)
      : whyNotCounted(padding.value, root, window.begins, window.ends)
    if (reason !== undefined) return reason
    if (context.shape(data)?.slice(1).every(context.isPositive) !== true)
      return 'its image may have no pixels, which a pool does not take'
    const begins = window.begins.map((amount, axis) => amount + (padding.begins[axis] ?? 0))
    const ends = window.ends.map((amount, axis) => amount + (padding.ends[axis] ?? 0))
    if ([...begins, ...ends].some((amount, index) => amount >= (kernel[index % kernel.length] ?? 0))) {
      return 'the padding is as wide as its kernel'
    }
    const attributes = withWindow(root, { ...window, begins, ends })
    if (!isMax) attributes.push(Attribute.of('count_include_pad', 1))
    return graph.op(root.op, [data], attributes, { like: root })
  },
})

const nonNegativeOperators = new Set(['Relu', 'Sigmoid', 'HardSigmoid', 'Softplus', 'Abs', 'Softmax', 'Sqrt', 'Exp'])

function whyNotLeast(value: number, data: Value): string | undefined {
  if (value === Number.NEGATIVE_INFINITY) return undefined
  const isLeast = value === 0 && data.producer !== undefined && isNonNegative(data.producer)
  return isLeast ? undefined : `it pads with ${value}, and a MaxPool with −∞`
}

function isNonNegative(node: Node): boolean {
  if (node.domain !== '') return false
  if (nonNegativeOperators.has(node.op)) return true
  if (node.op !== 'Clip') return false
  const bound = (index: number, name: string): number | undefined =>
    node.opset < 11 ? node.attributes.get(name)?.float : node.inputs[index]?.constant?.scalar
  const [least, most] = [bound(1, 'min'), bound(2, 'max')]
  // Where the bounds cross, the upper one is what is left.
  const isAbove = most === undefined ? node.inputs[2] === undefined : most >= 0
  return least !== undefined && least >= 0 && isAbove
}

function whyNotCounted(
  value: number,
  pool: Node,
  begins: readonly number[],
  ends: readonly number[],
): string | undefined {
  if (value !== 0) return `it pads with ${value}, not with 0`
  if (pool.opset < 7) return 'an AveragePool before opset 7 does not count padding'
  const uncounted = pool.int('count_include_pad', 0) === 0 && [...begins, ...ends].some((amount) => amount !== 0)
  return uncounted ? 'it does not count the padding of its own' : undefined
}
