import type { Attribute, GraphBuilder, Node, Tensor, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { whyNotConstant, whyShared } from '../pattern.ts'
import type { ChannelAffine } from './channel-affine.ts'
import { broadcastToColumns, roundTo, scaleAxis, scaleGroupedOutputs } from './linear-weights.ts'

/** A Conv, ConvTranspose, Gemm or MatMul whose weights are constant: y = W·x + b in one layout or another. */
export interface LinearOperator {
  readonly node: Node
  /** The Add that gives a MatMul its bias, where it is no Gemm. */
  readonly adder: Node | undefined
  /** What that Add adds. */
  readonly addend: Tensor | undefined
  readonly data: Value
  readonly weight: Tensor
  readonly output: Value
  /** Output channels: as many numbers as a bias has. */
  readonly channels: number
  /** Rank of its output; undefined where the rank of a MatMul's data is unknown. */
  readonly rank: number | undefined
  /** The axis of its output along which the channels lie, counted from the end (−1 is the last). */
  readonly channelAxis: number
  readonly layout: Layout
}

/** Where an operator has its channels. */
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
    rank: matmulRank,
    channelAxis: () => -1,
    channels: (_node, weight) => weight.dims[1] ?? 0,
    scaleOutputs: ({ weight }, scale) => scaleAxis(weight, 1, scale),
  },
}

const outputAxis = (gemm: Node): number => (gemm.int('transB', 0) === 0 ? 1 : 0)

/** With a matrix on its right, a MatMul's output has the rank of its data. */
function matmulRank({ inputs: [data], output }: Node, _weight: Tensor, context: FusionContext): number | undefined {
  return (data && context.shape(data)?.length) ?? context.shape(output)?.length
}

export const linearOperators: readonly string[] = Object.keys(layouts)

/** Bytes of weights that may stand in the file twice, when another node uses them too. */
export const largestSharedWeight = 1 << 20

/**
 * A node as a linear operator, an Add after a MatMul included; the reason when its weights or bias are not constant; undefined for other
 * operators.
 */
export function asLinearOperator(node: Node, context: FusionContext): LinearOperator | string | undefined {
  if (node.is('Add')) return asBiasedMatMul(node, context)
  const layout = node.domain === '' ? layouts[node.op] : undefined
  const [data, weightValue, biasValue] = node.inputs
  if (layout === undefined || data === undefined || weightValue === undefined) return undefined
  const weight = weightValue.constant
  if (weight === undefined) return whyNotConstant(weightValue)
  if (biasValue !== undefined && biasValue.constant === undefined) return whyNotConstant(biasValue)
  if (node.op === 'Gemm' && node.opset < 7) return 'Gemm before opset 7 broadcasts C in its own way'
  if (node.op === 'MatMul' && weight.dims.length !== 2) return `"${weightValue}" is not a matrix`
  if (weight.dims.length < (node.op.startsWith('Conv') ? 3 : 2)) return `"${weightValue}" has dims [${weight.dims}]`
  if (node.int('group', 1) < 1) return undefined
  const rank = layout.rank(node, weight, context)
  return {
    node,
    adder: undefined,
    addend: undefined,
    data,
    weight,
    output: node.output,
    channels: layout.channels(node, weight),
    rank,
    channelAxis: layout.channelAxis(rank ?? 2),
    layout,
  }
}

/** x·W + b, spelled as a MatMul and an Add. */
function asBiasedMatMul(adder: Node, context: FusionContext): LinearOperator | undefined {
  const product = adder.inputs.find((input) => input?.producer?.is('MatMul'))
  const addend = adder.inputs.find((input) => input !== product)?.constant
  if (product?.producer === undefined || addend === undefined || adder.opset < 7) return undefined
  const operator = asLinearOperator(product.producer, context)
  if (operator === undefined || typeof operator === 'string' || whyShared(product) !== undefined) return undefined
  const bias = perChannel(addend, operator)
  return typeof bias === 'string' ? undefined : { ...operator, adder, addend, output: adder.output }
}

/** What it adds to each channel, of shape [C]; zeros without a bias; the reason when a Gemm adds more than a row. */
export function biasOf(operator: LinearOperator): Float64Array | string {
  const { node, addend, channels } = operator
  if (addend !== undefined) return perChannel(addend, operator)
  const columns = broadcastToColumns(node.inputs[2]?.constant, channels)
  const beta = node.op === 'Gemm' ? node.float('beta', 1) : 1
  return typeof columns === 'string' || beta === 1 ? columns : columns.map((value) => value * beta)
}

/** The operator with its outputs scaled and shifted; the reason when weights or bias do not permit it. See `rebuild`. */
export function scaleAndShift(
  operator: LinearOperator,
  affine: ChannelAffine,
  graph: GraphBuilder,
  options?: RebuildOptions,
): Value | string {
  const weight = affine.scale.every((factor) => factor === 1)
    ? operator.weight
    : operator.layout.scaleOutputs(operator, affine.scale)
  if (typeof weight === 'string') return weight
  const bias = biasOf(operator)
  if (typeof bias === 'string') return bias
  return rebuild(
    operator,
    weight,
    bias.map((value, c) => value * (affine.scale[c] as number) + (affine.shift[c] as number)),
    graph,
    options,
  )
}

export interface RebuildOptions {
  /** Default: the operator's own. */
  attributes?: readonly Attribute[]
  /** A node goes away in return, so that a MatMul which has no place for a bias may get an Add. */
  mayAdd?: boolean
}

/**
 * The operator with other weights and another bias. A bias of zeros where there was none is left out; a MatMul of matrices with a bias
 * becomes a Gemm; one of higher rank keeps the Add that it has, and without one has no place for a bias.
 */
export function rebuild(
  operator: LinearOperator,
  weight: Tensor,
  bias: Float64Array,
  graph: GraphBuilder,
  { attributes = withoutBeta(operator.node), mayAdd = false }: RebuildOptions = {},
): Value | string {
  const { node, adder, data, rank } = operator
  const hasBias = node.inputs[2] !== undefined || bias.some((value) => value !== 0)
  const biasTensor = hasBias ? roundTo(weight, [bias.length], bias) : undefined
  if (typeof biasTensor === 'string') return biasTensor
  const isMatMul = node.op === 'MatMul'
  const asGemm = isMatMul && hasBias && rank === 2 && node.opset >= 7
  if (isMatMul && hasBias && !asGemm && adder === undefined && !(mayAdd && node.opset >= 7)) {
    return `a MatMul of rank ${rank ?? 'unknown'} has no bias`
  }
  const shared = weight === operator.weight ? undefined : whySharedWeight(node)
  if (shared !== undefined) return shared
  const weightOperand = weight === operator.weight ? node.inputs[1] : weight
  if (isMatMul && hasBias && !asGemm) {
    const product = graph.op('MatMul', [data, weightOperand], attributes, { like: node })
    product.type = node.output.type
    return graph.op('Add', [product, biasTensor], {}, { ...(adder && { like: adder }) })
  }
  const operands = biasTensor === undefined ? [data, weightOperand] : [data, weightOperand, biasTensor]
  return graph.op(asGemm ? 'Gemm' : node.op, operands, attributes, { like: node })
}

/** The new bias of a Gemm is complete. */
const withoutBeta = (node: Node): Attribute[] =>
  [...node.attributes.values()].filter(({ name }) => name !== 'beta' || node.op !== 'Gemm')

/**
 * The linear operator that a node is, together with the Add that follows it where it is a MatMul that has one; otherwise as asLinearOperator.
 */
export function withItsAdd(node: Node, context: FusionContext): LinearOperator | string | undefined {
  const [user] = node.output.users
  const biased = node.op === 'MatMul' && user?.is('Add') ? asLinearOperator(user, context) : undefined
  return typeof biased === 'object' && biased.node === node ? biased : asLinearOperator(node, context)
}

/** Why the weights of a node cannot be replaced: another node uses them too, and a second copy would be large. */
export function whySharedWeight(node: Node): string | undefined {
  const [, weight] = node.inputs
  const bytes = weight?.constant?.byteLength ?? 0
  if (weight === undefined || weight.users.size < 2 || bytes <= largestSharedWeight) return undefined
  return `"${weight}" has other users, and a second copy of it would take ${bytes} bytes`
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
