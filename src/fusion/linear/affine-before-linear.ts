import type { Node, Tensor } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import type { ChannelAffine } from './channel-affine.ts'
import { type ElementwiseAffine, elementwiseAffine } from './elementwise-affine.ts'
import { biasOf, type LinearOperator, linearOperators, perChannel, rebuild, withItsAdd } from './linear-operator.ts'
import { contractInputs, scaleInputs } from './linear-weights.ts'
import { axisBeforeViews, throughViews, type ViewChain } from './view-chain.ts'

/**
 * W·(s·x + t) + b → (W·s)·x + (b + W·t), for s and t constant: one number, one for each input channel, or, before a Flatten, one for
 * each number that a row of the matrix is made of.
 *
 * Covers a batch norm before a convolution, and the (x − mean)/std of an image before the first one, reshapes and transposes between
 * included. A shift may pass only where no padding reaches the data, since a padded zero is not a shifted zero; and through no
 * ConvTranspose, whose borders see fewer inputs.
 */
export const affineBeforeLinear = defineFusion({
  name: 'affine-before-linear',
  roots: linearOperators,
  rewrite(root, graph, context) {
    const [input] = root.inputs
    if (input === undefined) return undefined
    const chain = throughViews(input)
    if (typeof chain === 'string') return undefined
    const before = chain.source.producer
    if (before === undefined || before.graph !== root.graph) return undefined
    const affine = elementwiseAffine(before)
    if (affine === undefined || typeof affine === 'string') return undefined
    const operator = withItsAdd(root, context)
    if (operator === undefined || typeof operator === 'string') return operator
    const shared = whyShared(chain.source)
    if (shared !== undefined) return shared

    const spread = spreadOverInputs(affine, before, chain, operator, context)
    if (typeof spread === 'string') return spread
    const reason = spread.shift.every((value) => value === 0) ? undefined : whyNotShifted(root)
    if (reason !== undefined) return reason
    const absorbed = absorb(operator, spread)
    if (typeof absorbed === 'string') return absorbed
    const data = chain.views.length === 0 ? affine.data : operator.data
    const mayAdd = before.op === 'BatchNormalization'
    const result = rebuild({ ...operator, data }, absorbed.weight, absorbed.bias, graph, { mayAdd })
    if (typeof result === 'string') return result
    const replacement = { from: operator.output, to: result }
    return chain.views.length === 0 ? [replacement] : [{ from: chain.source, to: affine.data }, replacement]
  },
})

const inputChannels = ({ node, weight }: LinearOperator): number => {
  const { dims } = weight
  if (node.op === 'Conv') return (dims[1] ?? 0) * node.int('group', 1)
  if (node.op === 'Gemm') return dims[node.int('transB', 0) === 0 ? 0 : 1] ?? 0
  return dims[0] ?? 0
}

/** The axis of its data which the weights contract, counted from the end. */
const contractedAxis = ({ node, weight }: LinearOperator): number => {
  if (node.op.startsWith('Conv')) return 1 - weight.dims.length
  return node.op === 'Gemm' && node.int('transA', 0) !== 0 ? -2 : -1
}

/** One scale and one shift for each input channel of the operator; the reason when the map is another. */
function spreadOverInputs(
  affine: ElementwiseAffine,
  before: Node,
  chain: ViewChain,
  operator: LinearOperator,
  context: FusionContext,
): ChannelAffine | string {
  const channels = inputChannels(operator)
  const shape = context.shape(affine.data)
  if (shape === undefined && chain.views.length > 0) return `the rank of "${affine.data}" is unknown`
  const channelAxis = axisBeforeViews(chain, contractedAxis(operator), context)
  // A constant per channel would also stretch a single channel to many: the data must have them all.
  const isWhole = channelAxis !== undefined && sameDim(shape?.at(channelAxis), channels)
  if (!isWhole && chain.views.length > 0 && contractedAxis(operator) === -1) {
    const flattened = spreadOverRow(affine, before, chain, channels, shape ?? [], context)
    if (flattened !== undefined) return flattened
  }
  if (before.op === 'BatchNormalization' && (!isWhole || channelAxis !== 1 - (shape?.length ?? 0))) {
    return `the channels of ${before} are not those it contracts`
  }
  return affine.affine((constant) => {
    if (isWhole || constant.size === 1) return perChannel(constant, { rank: shape?.length, channelAxis, channels })
    return `"${affine.data}" is not known to have ${channels} channels`
  }, channels)
}

/**
 * The map where the last axes of its data were flattened into the rows of a matrix: each number of a row has a scale and a shift of its own.
 * undefined where that is not what lies between.
 */
function spreadOverRow(
  affine: ElementwiseAffine,
  before: Node,
  { views, source }: ViewChain,
  length: number,
  shape: readonly Dim[],
  context: FusionContext,
): ChannelAffine | string | undefined {
  if (views.some(({ op }) => op === 'Transpose') || !isRow(context.shape(views[0]?.output ?? source), length)) {
    return undefined
  }
  const dims: number[] = []
  while (dims.length < shape.length && dims.reduce((product, dim) => product * dim, 1) < length) {
    const dim = shape.at(-1 - dims.length)
    if (typeof dim !== 'number' || dim < 1) return undefined
    dims.unshift(dim)
  }
  if (dims.reduce((product, dim) => product * dim, 1) !== length) return undefined
  if (before.op !== 'BatchNormalization')
    return affine.affine((constant) => broadcastTo(constant, dims, shape.length), length)
  const [channels = 0, ...image] = dims
  if (dims.length !== shape.length - 1) return undefined
  const spread = affine.affine(() => new Float64Array(0), channels)
  if (typeof spread === 'string') return spread
  const inner = image.reduce((product, dim) => product * dim, 1)
  const repeat = (numbers: Float64Array): Float64Array =>
    Float64Array.from({ length }, (_, index) => numbers[Math.floor(index / inner)] as number)
  return { scale: repeat(spread.scale), shift: repeat(spread.shift) }
}

const isRow = (shape: readonly Dim[] | undefined, length: number): boolean => sameDim(shape?.at(-1), length)

/** A constant spread over the last dims of its data, row by row; the reason when it varies along an axis before them, or does not fit. */
function broadcastTo(constant: Tensor, dims: readonly number[], rank: number): Float64Array | string {
  const own = [...constant.dims]
  if (own.length > rank) return `a constant of dims [${own}] may raise the rank`
  while (own.length > dims.length && own[0] === 1) own.shift()
  while (own.length < dims.length) own.unshift(1)
  if (own.length > dims.length || own.some((dim, axis) => dim !== 1 && dim !== dims[axis]) || !constant.hasNumbers) {
    return `a constant of dims [${constant.dims}] is not one number for each of [${dims}]`
  }
  const numbers = constant.toNumbers()
  const strides = own.map((dim, axis) => (dim === 1 ? 0 : own.slice(axis + 1).reduce((a, b) => a * b, 1)))
  const size = dims.reduce((product, dim) => product * dim, 1)
  return Float64Array.from({ length: size }, (_, position) => {
    let [rest, from] = [position, 0]
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const dim = dims[axis] as number
      from += (rest % dim) * (strides[axis] as number)
      rest = Math.floor(rest / dim)
    }
    return numbers[from] as number
  })
}

/** Why a shift of its input is no shift of its output. */
function whyNotShifted(node: Node): string | undefined {
  if (node.op === 'ConvTranspose')
    return 'the borders of a ConvTranspose see fewer inputs, so a shift of them is no bias'
  if (node.op !== 'Conv') return undefined
  const padding = node.string('auto_pad', 'NOTSET')
  const padded =
    padding === 'NOTSET' || padding === '' ? node.ints('pads')?.some((pad) => pad !== 0) : padding !== 'VALID'
  return padded ? 'its padding would be shifted too' : undefined
}

/** W·s, and b + W·t; a Gemm's α multiplies what the weights contract. */
function absorb(
  operator: LinearOperator,
  { scale, shift }: ChannelAffine,
): { weight: Tensor; bias: Float64Array } | string {
  const { node, weight } = operator
  const bias = biasOf(operator)
  if (typeof bias === 'string') return bias
  const layout =
    node.op === 'Conv'
      ? ({ inputAxis: 1, group: node.int('group', 1) } as const)
      : { inputAxis: node.op === 'Gemm' && node.int('transB', 0) !== 0 ? 1 : 0, group: 1 }
  const scaled = scale.every((factor) => factor === 1) ? weight : scaleInputs(weight, scale, layout)
  if (typeof scaled === 'string') return scaled
  if (shift.every((value) => value === 0)) return { weight: scaled, bias }
  const alpha = node.op === 'Gemm' ? node.float('alpha', 1) : 1
  const moved = contractInputs(weight, shift, layout)
  return { weight: scaled, bias: bias.map((value, c) => value + alpha * (moved[c] as number)) }
}
