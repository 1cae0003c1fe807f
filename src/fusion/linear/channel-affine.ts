import type { Node, Tensor } from '../../graph/index.ts'
import { constant, type Match, type NodePattern, node } from '../pattern.ts'
import { allFinite } from './linear-weights.ts'

/** y = scale·x + shift for each channel, in float64; both of shape [C]. */
export interface ChannelAffine {
  readonly scale: Float64Array
  readonly shift: Float64Array
}

/** The pattern BatchNorm(input, γ, β, μ, σ²), and how to read the affine map it applies. */
export function batchNormOf(input: NodePattern): {
  pattern: NodePattern
  /** The scale and shift, or the reason why the node does not merely scale and shift. */
  affine(match: Match): ChannelAffine | string
} {
  const [gamma, beta, mean, variance] = [constant(), constant(), constant(), constant()]
  return {
    pattern: node('BatchNormalization', [input, gamma, beta, mean, variance]),
    affine: (match) =>
      whyNotInference(match.root) ??
      batchNormAffine(
        epsilonOf(match.root),
        match.tensor(gamma),
        match.tensor(beta),
        match.tensor(mean),
        match.tensor(variance),
      ),
  }
}

/** Its ε, inside the root. */
export const epsilonOf = (batchNorm: Node): number => batchNorm.float('epsilon', 1e-5)

/**
 * Why a BatchNormalization does more than scale and shift; undefined when it does not. Training mode has been spelled in three ways:
 * `is_test` before opset 7, further outputs before opset 14, `training_mode` since. Before opset 9, `spatial = 0` means statistics for
 * every pixel.
 */
export function whyNotInference(batchNorm: Node): string | undefined {
  const { opset } = batchNorm
  if (batchNorm.int('training_mode', 0) !== 0) return 'it is in training mode (training_mode = 1)'
  if (opset < 7 && batchNorm.int('is_test', 0) === 0) return 'it is in training mode (is_test = 0)'
  if (batchNorm.outputs.slice(1).some((output) => output !== undefined)) {
    return 'it is in training mode (it outputs statistics)'
  }
  if (opset < 9 && batchNorm.int('spatial', 1) === 0) return 'it has statistics for every pixel (spatial = 0)'
  return undefined
}

/**
 * BatchNorm(x) = γ·(x − μ)/√(σ² + ε) + β as a scale and a shift: s = γ/√(σ² + ε), t = β − μ·s.
 * Gives the reason when there is none: statistics that are not finite, a variance not above −ε, vectors of different lengths.
 */
export function batchNormAffine(
  epsilon: number,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
): ChannelAffine | string {
  const vectors = [gamma, beta, mean, variance]
  if (vectors.some(({ dims }) => dims.length !== 1 || dims[0] !== gamma.size)) {
    return `its parameters have dims ${vectors.map(({ dims }) => `[${dims}]`).join(', ')}`
  }
  const [γ, β, μ, σ2] = [gamma.toNumbers(), beta.toNumbers(), mean.toNumbers(), variance.toNumbers()]
  const scale = new Float64Array(γ.length)
  const shift = new Float64Array(γ.length)
  for (let c = 0; c < γ.length; c++) {
    scale[c] = (γ[c] as number) / Math.sqrt((σ2[c] as number) + epsilon)
    shift[c] = (β[c] as number) - (μ[c] as number) * (scale[c] as number)
  }
  // An infinite variance alone would give a finite map: 0·x + β.
  if (![γ, β, μ, σ2, scale, shift].every(allFinite)) {
    return 'its statistics give no finite scale and shift (σ² + ε must be above 0, and all of them finite)'
  }
  return { scale, shift }
}
