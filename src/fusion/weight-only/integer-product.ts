import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNotConstant } from '../pattern.ts'
import { dequantizedWeight } from './quantized.ts'
import { type Channels, scaledResult } from './scaled-result.ts'

/**
 * Cast(MatMulInteger(DynamicQuantize(x), W)) · scale of x · scale of W → MatMul(x, Dequantize(W)), as onnxruntime's quantiser of weights writes it, with
 * ConvInteger likewise. What is multiplied may be quantised by constants instead, and W may be computed and quantised as x is.
 */
export const integerProduct = defineFusion({
  name: 'integer-product',
  roots: ['MatMulInteger', 'ConvInteger'],
  rewrite(root, graph, context) {
    const [a, b, aZero, bZero] = root.inputs
    if (a === undefined || b === undefined) return undefined
    const left = quantizedFactor(graph, a, aZero)
    if (typeof left === 'string') return left
    const weight = b.constant
    const right = weight === undefined ? quantizedFactor(graph, b, bZero) : undefined
    if (typeof right === 'string') return right
    const factors = right === undefined ? [left] : [left, right]
    const scaled = scaledResult(
      root.output,
      factors.flatMap(({ scale }) => (typeof scale === 'number' ? [] : [scale])),
      outputChannels(root, weight, context.shape(root.output)?.length),
    )
    if (typeof scaled === 'string') return scaled
    const known = factors.reduce((product, { scale }) => product * (typeof scale === 'number' ? scale : 1), 1)
    const numbers = scaled.numbers.map((number) => number / known)
    const scale = Tensor.fromNumbers('float32', numbers.length === 1 ? [] : [numbers.length], numbers)
    const second = right?.floats ?? weightOf(root, graph, scale, b, bZero)
    if (typeof second === 'string') return second
    const product = graph.op(root.op.replace('Integer', ''), [left.floats, second], root.attributes.values(), {
      like: root,
    })
    const result = right === undefined || scale.scalar === 1 ? product : graph.op('Mul', [product, scale])
    const isFloat = castTarget(scaled.cast, context) === 'float32'
    return [{ from: scaled.value, to: isFloat ? result : graph.op('Cast', [result], scaled.cast.attributes.values()) }]
  },
})

/** A factor as floats, and what the product of whole numbers is multiplied by to be that of floats: a value, or a known number. */
interface Factor {
  readonly floats: Value
  readonly scale: Value | number
}

function quantizedFactor(graph: GraphBuilder, numbers: Value, zero: Value | undefined): Factor | string {
  const { producer } = numbers
  if (producer?.is('DynamicQuantizeLinear')) {
    const [, scale, itsZero] = producer.outputs
    if (scale === undefined || zero === undefined || zero !== itsZero)
      return `"${numbers}" is read with another zero point than it was made with`
    return { floats: graph.op('DequantizeLinear', [numbers, scale, zero]), scale }
  }
  const scale = producer?.is('QuantizeLinear') ? producer.inputs[1] : undefined
  if (scale?.constant?.scalar === undefined) return `"${numbers}" is not quantised from floats by one scale`
  return { floats: graph.op('DequantizeLinear', [numbers, scale, zero]), scale: scale.constant.scalar }
}

function weightOf(
  root: Node,
  graph: GraphBuilder,
  scale: Tensor,
  weight: Value,
  zero: Value | undefined,
): Value | string {
  if (zero !== undefined && zero.constant === undefined) return whyNotConstant(zero)
  const rank = weight.constant?.dims.length ?? 0
  return dequantizedWeight(graph, weight, scale, zero?.constant, root.is('ConvInteger') ? 0 : Math.max(rank - 1, 0))
}

/** Columns of a product of matrices, channels of a convolution. */
function outputChannels(root: Node, weight: Tensor | undefined, rank: number | undefined): Channels {
  const dims = weight?.dims ?? []
  return root.is('ConvInteger')
    ? { rank: dims.length, fromEnd: dims.length - 1, count: dims[0] ?? 1 }
    : { rank: rank ?? 1, fromEnd: 1, count: dims.length > 1 ? (dims.at(-1) ?? 1) : 1 }
}
