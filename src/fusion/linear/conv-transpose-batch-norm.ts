import { defineFusion } from '../define-fusion.ts'
import { any, constant, node, optional } from '../pattern.ts'
import { batchNormOf } from './channel-affine.ts'
import { affineWeights } from './fuse-batch-norm-weights.ts'

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
    const layout = { operator: 'ConvTranspose', group: original.int('group', 1) } as const
    const fused = affineWeights(match.tensor(weight), match.optionalTensor(bias), affine, layout)
    if (typeof fused === 'string') return fused
    return graph.op('ConvTranspose', [match.value(x), fused.weight, fused.bias], original.attributes.values(), {
      like: original,
    })
  },
})
