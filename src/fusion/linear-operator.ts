import type { Attribute, GraphBuilder, Node, Tensor, Value } from '../graph/index.ts'
import type { ChannelAffine } from './channel-affine.ts'
import type { FusionContext } from './context.ts'
import { broadcastToColumns, roundTo, scaleAxis, scaleGroupedOutputs } from './linear-weights.ts'
import { whyNotConstant } from './pattern.ts'

/** A Conv, ConvTranspose, Gemm or MatMul whose weights are constant: y = W·x + b in one layout or another. */
export interface LinearOperator {
  readonly node: Node
  readonly data: Value
  readonly weight: Tensor
  /** Output channels: as many numbers as a bias has. */
  readonly channels: number
  /** Rank of its output; undefined where the rank of a MatMul's data is unknown. */
  readonly rank: number | undefined
  /** The axis of its output along which the channels lie, counted from the end (−1 is the last). */
  readonly channelAxis: number
}

interface Layout {
  channels(node: Node, weight: Tensor): number
  rank(node: Node, weight: Tensor, context: FusionContext): number | undefined
  channelAxis(rank: number): number
  scaleOutputs(operator: LinearOperator, scale: Float64Array): Tensor | string
}

const convolution: Pick<Layout, 'rank' | 'channelAxis'> = {
  rank: (_node, weight) => weight.dims.length,
  channelAxis: (rank) => 1 - rank,
}

const layouts: Readonly<Record<string, Layout>> = {
  Conv: {
    ...convolution,
    channels: (_node, weight) => weight.dims[0] ?? 0,
    scaleOutputs: ({ weight }, scale) => scaleAxis(weight, 0, scale),
  },
  ConvTranspose: {
    ...convolution,
    channels: (node, weight) => (weight.dims[1] ?? 0) * node.int('group', 1),
    scaleOutputs: ({ node, weight }, scale) => scaleGroupedOutputs(weight, node.int('group', 1), scale),
  },
  Gemm: {
    rank: () => 2,
    channelAxis: () => -1,
    channels: (node, weight) => weight.dims[outputAxis(node)] ?? 0,
    scaleOutputs: ({ node, weight }, scale) => scaleAxis(weight, outputAxis(node), scale),
  },
  MatMul: {
    rank: (node, _weight, context) =>
      node.inputs[0] === undefined ? undefined : context.shape(node.inputs[0])?.length,
    channelAxis: () => -1,
    channels: (_node, weight) => weight.dims[1] ?? 0,
    scaleOutputs: ({ weight }, scale) => scaleAxis(weight, 1, scale),
  },
}

const outputAxis = (gemm: Node): number => (gemm.int('transB', 0) === 0 ? 1 : 0)

export const linearOperators: readonly string[] = Object.keys(layouts)

/** A node as a linear operator; the reason when its weights or bias are not constant; undefined for other operators. */
export function asLinearOperator(node: Node, context: FusionContext): LinearOperator | string | undefined {
  const layout = node.domain === '' ? layouts[node.op] : undefined
  const [data, weightValue, biasValue] = node.inputs
  if (layout === undefined || data === undefined || weightValue === undefined) return undefined
  const weight = weightValue.constant
  if (weight === undefined) return whyNotConstant(weightValue)
  if (biasValue !== undefined && biasValue.constant === undefined) return whyNotConstant(biasValue)
  if (node.op === 'Gemm' && node.opset < 7) return 'Gemm before opset 7 broadcasts C in its own way'
  if (node.op === 'MatMul' && weight.dims.length !== 2) return `"${weightValue}" is not a matrix`
  const rank = layout.rank(node, weight, context)
  return {
    node,
    data,
    weight,
    channels: layout.channels(node, weight),
    rank,
    channelAxis: layout.channelAxis(rank ?? 2),
  }
}

/** What it adds to each channel, of shape [C]; zeros without a bias; the reason when a Gemm adds more than a row. */
export function biasOf({ node, channels }: LinearOperator): Float64Array | string {
  const columns = broadcastToColumns(node.inputs[2]?.constant, channels)
  const beta = node.op === 'Gemm' ? node.float('beta', 1) : 1
  return typeof columns === 'string' || beta === 1 ? columns : columns.map((value) => value * beta)
}

/** The operator with its outputs scaled and shifted; the reason when weights or bias do not permit it. */
export function scaleAndShift(operator: LinearOperator, affine: ChannelAffine, graph: GraphBuilder): Value | string {
  const layout = layouts[operator.node.op]
  const weight = affine.scale.every((factor) => factor === 1)
    ? operator.weight
    : (layout?.scaleOutputs(operator, affine.scale) ?? 'it is not a linear operator')
  if (typeof weight === 'string') return weight
  const bias = biasOf(operator)
  if (typeof bias === 'string') return bias
  return rebuild(
    operator,
    weight,
    bias.map((value, c) => value * (affine.scale[c] as number) + (affine.shift[c] as number)),
    graph,
  )
}

/**
 * The operator with other weights and another bias. A bias of zeros where there was none is left out; a MatMul of matrices with a bias
 * becomes a Gemm; a MatMul of higher rank has no place for one.
 */
export function rebuild(
  operator: LinearOperator,
  weight: Tensor,
  bias: Float64Array,
  graph: GraphBuilder,
): Value | string {
  const { node, data, rank } = operator
  const hasBias = node.inputs[2] !== undefined || bias.some((value) => value !== 0)
  const biasTensor = hasBias ? roundTo(weight, [bias.length], bias) : undefined
  if (typeof biasTensor === 'string') return biasTensor
  const asGemm = node.op === 'MatMul' && hasBias
  if (asGemm && rank !== 2) return `a MatMul of rank ${rank ?? 'unknown'} has no bias`
  if (asGemm && node.opset < 7) return 'Gemm before opset 7 broadcasts C in its own way'
  const attributes: Attribute[] = [...node.attributes.values()].filter(
    ({ name }) => name !== 'beta' || node.op !== 'Gemm',
  )
  const weightOperand = weight === operator.weight ? node.inputs[1] : weight
  return graph.op(asGemm ? 'Gemm' : node.op, [data, weightOperand, biasTensor], attributes, { like: node })
}

/**
 * A constant operand as one number for each channel, by ONNX's broadcasting: its dims are aligned to the right of a tensor of rank `rank`
 * whose channels lie along `channelAxis` (counted from the end). The reason when it varies along another axis, or would change the shape.
 */
export function perChannel(
  operand: Tensor,
  { rank, channelAxis, channels }: { rank: number | undefined; channelAxis: number | undefined; channels: number },
): Float64Array | string {
  const { dims } = operand
  if (dims.length > (rank ?? 1)) return `a constant of dims [${dims}] may raise the rank`
  const axis = dims.findIndex((dim) => dim !== 1)
  const numbers = operand.hasNumbers ? operand.toNumbers() : new Float64Array(0)
  if (axis === -1) return new Float64Array(channels).fill(numbers[0] as number)
  if (axis - dims.length !== channelAxis || dims[axis] !== channels || numbers.length !== channels) {
    return `a constant of dims [${dims}] is not one number for each of ${channels} channels`
  }
  return numbers
}
