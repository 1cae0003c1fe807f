import { defineFusion } from '../define-fusion.ts'
import { any, constant, node } from '../pattern.ts'
import { batchNormOf } from './channel-affine.ts'
import { affineWeights } from './fuse-batch-norm-weights.ts'

const a = any()
const weight = constant()
const matmul = node('MatMul', [a, weight])
const batchNorm = batchNormOf(matmul)

/**
 * BatchNorm(A·B) → Gemm(A, B·s, t), with s = γ / √(σ² + ε) and t = β − μ·s.
 *
 * Only for matrices: with A of rank 3 or more the channels of the batch norm (axis 1) are not the columns of B.
 */
export const matmulBatchNorm = defineFusion({
  name: 'matmul-batch-norm',
  pattern: batchNorm.pattern,
  replace(match, graph, context) {
    const affine = batchNorm.affine(match)
    if (typeof affine === 'string') return affine
    const original = match.node(matmul)
    if (original.opset < 7) return 'Gemm before opset 7 broadcasts C in its own way'
    const rank = [match.value(a), match.value(matmul), match.root.output]
      .map((value) => context.shape(value)?.length)
      .find((found) => found !== undefined)
    if (rank !== 2) return `the rank of "${match.value(a)}" is ${rank ?? 'unknown'}, not 2`
    if (match.tensor(weight).dims.length !== 2) return `"${match.value(weight)}" is not a matrix`
    const fused = affineWeights(match.tensor(weight), undefined, affine, { operator: 'MatMul' })
    if (typeof fused === 'string') return fused
    return graph.op('Gemm', [match.value(a), fused.weight, fused.bias], {}, { like: original })
  },
})
