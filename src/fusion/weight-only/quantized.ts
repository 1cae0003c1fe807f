import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { whyNotConstant } from '../pattern.ts'

/** What stands for a tensor of floats: whole numbers, and how they are read. */
export interface Quantized {
  readonly numbers: Value
  readonly scale: Value
  readonly zero: Value | undefined
}

/** Three inputs of a node in a row; undefined where one that must be there is not. */
export function quantizedAt({ inputs }: Node, index: number): Quantized | undefined {
  const [numbers, scale, zero] = inputs.slice(index, index + 3)
  return numbers && scale && { numbers, scale, zero }
}

/** x, where these are the outputs of DynamicQuantizeLinear(x). */
export function dynamicallyQuantized({ numbers, scale, zero }: Quantized): Value | undefined {
  const maker = numbers.producer
  if (!maker?.is('DynamicQuantizeLinear')) return undefined
  const [y, yScale, yZero] = maker.outputs
  return numbers === y && scale === yScale && zero === yZero ? maker.inputs[0] : undefined
}

/** What an operator does that quantises its input itself, written out. */
export const roundTrip = (graph: GraphBuilder, x: Value): Value =>
  graph.op('DequantizeLinear', graph.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 }).outputs)

/**
 * Dequantize of the numbers. Of constants, scales and zero points may be for each channel, along that axis; a scale that is computed must be that of
 * dynamic quantisation. A string is a reason why not.
 */
export function dequantized(graph: GraphBuilder, quantized: Quantized, axis: number): Value | string {
  const { numbers, scale, zero } = quantized
  const inputs = zero === undefined ? [scale] : [scale, zero]
  if (dynamicallyQuantized(quantized) === undefined) {
    const computed = inputs.find((value) => value.constant === undefined)
    if (computed !== undefined) return whyNotConstant(computed)
    if (numbers.constant !== undefined && scale.constant !== undefined)
      return dequantizedWeight(graph, numbers, scale.constant, zero?.constant, Math.max(axis, 0))
    const many = inputs.find((value) => value.constant?.size !== 1)
    if (many !== undefined) return `"${many}" is not for all of "${numbers}"`
  }
  return graph.op('DequantizeLinear', [numbers, ...inputs])
}

/** Floats as the numbers that a node makes of them, by the two inputs it has for that; a string is a reason why not. */
export function requantized(graph: GraphBuilder, floats: Value, node: Node, scaleAt: number): Value | string {
  const [scale, zero] = node.inputs.slice(scaleAt, scaleAt + 2)
  if (scale === undefined) return 'it has no scale for its result'
  const unfit = [scale, zero].find((value) => value !== undefined && value.constant?.size !== 1)
  if (unfit !== undefined) return `"${unfit}" is not one constant for all of the result`
  return graph.op('QuantizeLinear', [floats, scale, zero])
}

/** A constant, dequantised by one scale or by one for each channel along the axis; a string is a reason why not. */
export function dequantizedWeight(
  graph: GraphBuilder,
  numbers: Value,
  scale: Tensor,
  zero: Tensor | undefined,
  axis: number,
): Value | string {
  const channels = numbers.constant?.dims[axis] ?? 1
  const given = zero === undefined ? [scale] : [scale, zero]
  const fits = given.every(({ size, dims }) => size === 1 || (size === channels && dims.at(-1) === channels))
  if (!fits) return `its scales of [${scale.dims}] or zero points are not for channels`
  const needsZero = zero?.bytes.some((byte) => byte !== 0) === true
  if (given.every(({ size }) => size === 1))
    return graph.op('DequantizeLinear', [numbers, scale.reshape([]), ...(zero && needsZero ? [zero.reshape([])] : [])])
  if (graph.graph.model.opset < 13) return 'before opset 13 there are no scales for channels'
  const each = [scale, ...(zero && needsZero ? [zero] : [])].map((tensor) => repeated(tensor, channels))
  return graph.op('DequantizeLinear', [numbers, ...each], { axis })
}

/** One for each channel. */
const repeated = (tensor: Tensor, channels: number): Tensor =>
  tensor.size === channels
    ? tensor.reshape([channels])
    : Tensor.fromNumbers(tensor.elementType, [channels], new Array<number>(channels).fill(tensor.scalar ?? 0))
