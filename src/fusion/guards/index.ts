import type { Fusion } from '../define-fusion.ts'
import { guardConvBatchNorm } from './guard-conv-batch-norm.ts'
import { guardMatmulBatchNorm } from './guard-matmul-batch-norm.ts'
import { guardPadPool } from './guard-pad-pool.ts'
import { guardPowerMean } from './guard-power-mean.ts'

/**
 * What keeps onnxruntime's own optimiser from rewrites of its own that are wrong. Applied after all fusions, which would undo them.
 */
export const guards: readonly Fusion[] = [guardConvBatchNorm, guardMatmulBatchNorm, guardPadPool, guardPowerMean]
