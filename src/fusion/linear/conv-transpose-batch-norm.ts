import { defineFusion } from '../define-fusion.ts'
import { any, constant, node, optional } from '../pattern.ts'
import { batchNormOf } from './channel-affine.ts'
import { affineBias, scaleGroupedOutputs } from './linear-weights.ts'

const x = any()
const weight = constant()
const bias = optional(constant())
const convTranspose = node('ConvTranspose', [x, weight, bias])
const batchNorm = batchNormOf(convTranspose)

/**
 * BatchNorm(ConvTranspose(x, W, b)) → ConvTranspose(x, W·s, (b − μ)·s + β), with s = γ / √(σ² + ε).
 *
 * W is [C_in, C_out/group, …]: seen as [group, C_in/group, C_out/group, …], output channel g·(C_out/group) + j lies at [g, :, j].
 * (PyTorch's fuse_conv_bn_weights is wrong for groups here: pytorch/pytorch#180995.)
 */
export const convTransposeBatchNorm = defineFusion({
  name: 'conv-transpose-batch-norm',
  pattern: batchNorm.pattern,
  replace(match, graph) {
    const affine = batchNorm.affine(match)
    if (typeof affine === 'string') return affine
    const original = match.node(convTranspose)
    const W = scaleGroupedOutputs(match.tensor(weight), original.int('group', 1), affine.scale)
    if (typeof W === 'string') return W
    const b = affineBias(W, match.optionalTensor(bias), affine)
    if (typeof b === 'string') return b
    return graph.op('ConvTranspose', [match.value(x), W, b], original.attributes.values(), { like: original })
  },
})
