import { Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { batchNormAffine, epsilonOf, whyNotInference } from '../linear/channel-affine.ts'

/**
 * BatchNorm(… MatMul …) through Transposes and Reshapes: onnxruntime folds the norm into the weight as if the channels were its columns
 * (matmul_bn_fusion.cc, 1.30), which they need not be. Written as x · s + t, s = γ/√(σ² + ε), t = β − μ·s, it is not folded.
 */
export const guardMatmulBatchNorm = defineFusion({
  name: 'guard-matmul-batch-norm',
  roots: ['BatchNormalization'],
  rewrite(root, graph, context) {
    const [x, ...operands] = root.inputs
    if (context.target === 'onnx' || x === undefined) return undefined
    let from = x.producer
    while (from?.is('Transpose') || from?.is('Reshape')) from = from.inputs[0]?.producer
    if (from?.is('MatMul') !== true) return undefined
    const reason = whyNotInference(root)
    const [gamma, beta, mean, variance] = operands.map((operand) => operand?.constant)
    const rank = context.shape(x)?.length
    if (reason !== undefined) return reason
    if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined
    if (rank === undefined) return `the rank of "${x}" is not known`
    const affine = batchNormAffine(epsilonOf(root), gamma, beta, mean, variance)
    if (typeof affine === 'string') return affine
    const type = context.elementType(x) ?? gamma.elementType
    const dims = [gamma.size, ...Array.from({ length: Math.max(rank - 2, 0) }, () => 1)]
    const [scale, shift] = [affine.scale, affine.shift].map((numbers) => Tensor.fromNumbers(type, dims, numbers))
    return graph.op('Add', [graph.op('Mul', [x, scale]), shift], {}, { like: root })
  },
})
