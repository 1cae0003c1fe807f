import { defineFusion } from '../define-fusion.ts'
import { any, constant, node, optional } from '../pattern.ts'
import { batchNormOf } from './channel-affine.ts'
import { broadcastToColumns, roundTo, scaleAxis } from './linear-weights.ts'

const a = any()
const weight = constant()
const bias = optional(constant())
const gemm = node('Gemm', [a, weight, bias])
const batchNorm = batchNormOf(gemm)

/**
 * BatchNorm(α·A·B + β·C) → α·A·(B·s) + (β·C·s + t), with s = γ / √(σ² + ε) and t = β' − μ·s.
 *
 * The output channel is the column: axis 1 of B, axis 0 where transB. C broadcasts to [1, N] here, so a C with rows of its own is left
 * alone. The new C is complete, so the attribute beta becomes 1.
 */
export const gemmBatchNorm = defineFusion({
  name: 'gemm-batch-norm',
  pattern: batchNorm.pattern,
  replace(match, graph) {
    const affine = batchNorm.affine(match)
    if (typeof affine === 'string') return affine
    const original = match.node(gemm)
    // Before opset 7 the attribute `broadcast` says how C is read.
    if (original.opset < 7) return 'Gemm before opset 7 broadcasts C in its own way'
    const B = scaleAxis(match.tensor(weight), original.int('transB', 0) === 0 ? 1 : 0, affine.scale)
    if (typeof B === 'string') return B
    const columns = broadcastToColumns(match.optionalTensor(bias), affine.shift.length)
    if (typeof columns === 'string') return columns
    const beta = original.float('beta', 1)
    const C = roundTo(
      B,
      [columns.length],
      affine.shift.map((shift, n) => beta * (columns[n] as number) * (affine.scale[n] as number) + shift),
    )
    if (typeof C === 'string') return C
    const attributes = [...original.attributes.values()].filter(({ name }) => name !== 'beta')
    return graph.op('Gemm', [match.value(a), B, C], attributes, { like: original })
  },
})
