import { Tensor } from '../../graph/index.ts'
import { FusionError } from '../errors.ts'
import { batchNormAffine, type ChannelAffine } from './channel-affine.ts'
import { affineBias, scaleAxis, scaleGroupedOutputs } from './linear-weights.ts'

/** What a batch norm in inference mode computes with; all of shape [C]. */
export interface BatchNormStatistics {
  mean: Tensor
  variance: Tensor
  /** γ; ones when left out. */
  scale?: Tensor | undefined
  /** β; zeros when left out. */
  bias?: Tensor | undefined
  /** Default: 1e-5, as in ONNX. */
  epsilon?: number | undefined
}

/** Whose weights they are, which says where their output channels lie. */
export type WeightLayout =
  | { operator: 'Conv' | 'MatMul' }
  | { operator: 'ConvTranspose'; group?: number }
  | { operator: 'Gemm'; transB?: boolean }

export interface FusedWeights {
  weight: Tensor
  bias: Tensor
}

/**
 * The weights and the bias of a linear operator followed by a batch norm: W·s and (b − μ)·s + β, with s = γ / √(σ² + ε), computed in float64
 * and rounded once. Pure: the arguments stay as they are. Source: `fuse_conv_bn_weights` in PyTorch's torch/nn/utils/fusion.py.
 *
 * @param weight Conv: [C, C_in/group, …]; ConvTranspose: [C_in, C/group, …]; MatMul: [K, C]; Gemm: [K, C], or [C, K] with transB
 * @param bias [C]; zeros when left out
 * @throws FusionError `unusable-weights` when dims do not fit, or a result is not finite in the weights' type
 */
export function fuseBatchNormWeights(
  weight: Tensor,
  bias: Tensor | undefined,
  { mean, variance, scale, bias: shift, epsilon = 1e-5 }: BatchNormStatistics,
  layout: WeightLayout = { operator: 'Conv' },
): FusedWeights {
  const filled = (value: number) => Tensor.fromNumbers('float64', mean.dims, new Float64Array(mean.size).fill(value))
  const affine = batchNormAffine(epsilon, scale ?? filled(1), shift ?? filled(0), mean, variance)
  const fused = typeof affine === 'string' ? affine : affineWeights(weight, bias, affine, layout)
  if (typeof fused === 'string') throw new FusionError('unusable-weights', `${layout.operator}`, `${fused}.`)
  return fused
}

/** The same for any scale and shift; the reason where it cannot be. */
export function affineWeights(
  weight: Tensor,
  bias: Tensor | undefined,
  affine: ChannelAffine,
  layout: WeightLayout,
): FusedWeights | string {
  const scaled = scaleOutputs(weight, affine.scale, layout)
  if (typeof scaled === 'string') return scaled
  const shifted = affineBias(scaled, bias, affine)
  return typeof shifted === 'string' ? shifted : { weight: scaled, bias: shifted }
}

function scaleOutputs(weight: Tensor, scale: Float64Array, layout: WeightLayout): Tensor | string {
  if (layout.operator === 'ConvTranspose') return scaleGroupedOutputs(weight, layout.group ?? 1, scale)
  const axis = layout.operator === 'MatMul' || (layout.operator === 'Gemm' && !layout.transB) ? 1 : 0
  return scaleAxis(weight, axis, scale)
}
