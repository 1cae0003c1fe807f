import { defineFusion } from '../define-fusion.ts'
import { any, constant, node, optional } from '../pattern.ts'
import { batchNormOf } from './channel-affine.ts'
import { affineWeights } from './fuse-batch-norm-weights.ts'

const x = any()
const weight = constant()
const bias = optional(constant())
const conv = node('Conv', [x, weight, bias])
const batchNorm = batchNormOf(conv)

/**
 * BatchNorm(Conv(x, W, b)) → Conv(x, W·s, (b − μ)·s + β), with s = γ / √(σ² + ε).
 *
 * Convolutions of any rank, grouped and depthwise: the output channel is axis 0 of W [C_out, C_in/group, …] in each of them.
 * Source: `fuse_conv_bn_weights` in PyTorch's torch/nn/utils/fusion.py.
 */
export const convBatchNorm = defineFusion({
  name: 'conv-batch-norm',
  pattern: batchNorm.pattern,
  replace(match, graph) {
    const affine = batchNorm.affine(match)
    if (typeof affine === 'string') return affine
    const fused = affineWeights(match.tensor(weight), match.optionalTensor(bias), affine, { operator: 'Conv' })
    if (typeof fused === 'string') return fused
    const original = match.node(conv)
    return graph.op('Conv', [match.value(x), fused.weight, fused.bias], original.attributes.values(), {
      like: original,
    })
  },
})
