import type { Node, Tensor } from '../graph/index.ts'
import type { ChannelAffine } from './channel-affine.ts'
import { sameDim } from './context.ts'
import { defineFusion } from './define-fusion.ts'
import { elementwiseAffine } from './elementwise-affine.ts'
import {
  asLinearOperator,
  biasOf,
  type LinearOperator,
  linearOperators,
  perChannel,
  rebuild,
} from './linear-operator.ts'
import { contractInputs, scaleInputs } from './linear-weights.ts'
import { whyShared } from './pattern.ts'

/**
 * W·(s·x + t) + b → (W·s)·x + (b + W·t), for s and t constant: one number, or one for each input channel.
 *
 * Covers a batch norm before a convolution, and the (x − mean)/std of an image before the first one. A shift may pass only where no padding
 * reaches the data, since a padded zero is not a shifted zero; and through no ConvTranspose, whose borders see fewer inputs.
 */
export const affineBeforeLinear = defineFusion({
  name: 'affine-before-linear',
  roots: linearOperators,
  rewrite(root, graph, context) {
    const before = root.inputs[0]?.producer
    if (before === undefined) return undefined
    const affine = elementwiseAffine(before)
    if (affine === undefined || typeof affine === 'string') return undefined
    const operator = asLinearOperator(root, context)
    if (operator === undefined || typeof operator === 'string') return operator
    const shared = whyShared(before.output)
    if (shared !== undefined) return shared

    const channels = inputChannels(operator)
    const shape = context.shape(affine.data)
    const rank = shape?.length
    const channelAxis = operator.node.op.startsWith('Conv') ? 1 - operator.weight.dims.length : -1
    // A constant per channel would also stretch a single channel to many: the data must have them all.
    if (shape === undefined || !sameDim(shape.at(channelAxis), channels)) {
      return `"${affine.data}" is not known to have ${channels} channels`
    }
    if (before.op === 'BatchNormalization' && channelAxis !== 1 - shape.length) {
      return `the channels of ${before} are not those it contracts`
    }
    const spread = affine.affine((constant) => perChannel(constant, { rank, channelAxis, channels }), channels)
    if (typeof spread === 'string') return spread
    const reason = spread.shift.every((value) => value === 0) ? undefined : whyNotShifted(root)
    if (reason !== undefined) return reason
    const absorbed = absorb(operator, spread)
    if (typeof absorbed === 'string') return absorbed
    return rebuild({ ...operator, data: affine.data }, absorbed.weight, absorbed.bias, graph)
  },
})

const inputChannels = ({ node, weight }: LinearOperator): number => {
  const { dims } = weight
  if (node.op === 'Conv') return (dims[1] ?? 0) * node.int('group', 1)
  if (node.op === 'Gemm') return dims[node.int('transB', 0) === 0 ? 0 : 1] ?? 0
  return dims[0] ?? 0
}

/** Why a shift of its input is no shift of its output. */
function whyNotShifted(node: Node): string | undefined {
  if (node.op === 'ConvTranspose')
    return 'the borders of a ConvTranspose see fewer inputs, so a shift of them is no bias'
  if (node.op === 'Gemm' && node.int('transA', 0) !== 0) return 'its data is transposed'
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
  const scaled = scaleInputs(weight, scale, layout)
  if (typeof scaled === 'string' || shift.every((value) => value === 0)) {
    return typeof scaled === 'string' ? scaled : { weight: scaled, bias }
  }
  const alpha = node.op === 'Gemm' ? node.float('alpha', 1) : 1
  const moved = contractInputs(weight, shift, layout)
  return { weight: scaled, bias: bias.map((value, c) => value + alpha * (moved[c] as number)) }
}
