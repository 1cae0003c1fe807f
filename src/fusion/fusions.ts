import { affineAfterLinear } from './affine-after-linear.ts'
import { affineBeforeLinear } from './affine-before-linear.ts'
import { blocks } from './blocks/index.ts'
import { constantFold } from './constant-fold.ts'
import { constantNode } from './constant-node.ts'
import { constantView } from './constant-view.ts'
import { convBatchNorm } from './conv-batch-norm.ts'
import { convTransposeBatchNorm } from './conv-transpose-batch-norm.ts'
import { deadNode } from './dead-node.ts'
import type { Fusion } from './define-fusion.ts'
import { dropout } from './dropout.ts'
import { gemmBatchNorm } from './gemm-batch-norm.ts'
import { identity } from './identity.ts'
import { matmulBatchNorm } from './matmul-batch-norm.ts'

/** Every fusion of the project, in the order in which they are tried on a node. */
export const fusions = (): readonly Fusion[] => [
  // First: what nobody uses need not be looked at by the others.
  deadNode,
  constantNode,
  constantView,
  // Remembers what it met, so each run has its own.
  constantFold(),
  identity,
  dropout,
  convBatchNorm,
  convTransposeBatchNorm,
  gemmBatchNorm,
  matmulBatchNorm,
  // Before the constants in them are absorbed by a neighbour.
  ...blocks,
  affineAfterLinear,
  affineBeforeLinear,
]
