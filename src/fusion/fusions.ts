import { affineAfterLinear } from './affine-after-linear.ts'
import { affineBeforeLinear } from './affine-before-linear.ts'
import { blocks } from './blocks/index.ts'
import { castChain } from './cast-chain.ts'
import { clipChain } from './clip-chain.ts'
import { commonShapeData } from './common-shape-data.ts'
import { commonSubexpression } from './common-subexpression.ts'
import { concatChain } from './concat-chain.ts'
import { constantChain } from './constant-chain.ts'
import { constantFold } from './constant-fold.ts'
import { constantIf } from './constant-if.ts'
import { constantNode } from './constant-node.ts'
import { constantView } from './constant-view.ts'
import { convBatchNorm } from './conv-batch-norm.ts'
import { convConv } from './conv-conv.ts'
import { convTransposeBatchNorm } from './conv-transpose-batch-norm.ts'
import { deadNode } from './dead-node.ts'
import type { Fusion } from './define-fusion.ts'
import { divByConstant } from './div-by-constant.ts'
import { dropout } from './dropout.ts'
import { einsum } from './einsum.ts'
import { expandBroadcast } from './expand-broadcast.ts'
import { explicitAttributes } from './explicit-attributes.ts'
import { focusConv } from './focus-conv.ts'
import { gemmAdd } from './gemm-add.ts'
import { gemmBatchNorm } from './gemm-batch-norm.ts'
import { gemmGemm } from './gemm-gemm.ts'
import { gemmTranspose } from './gemm-transpose.ts'
import { globalAveragePool } from './global-average-pool.ts'
import { identity } from './identity.ts'
import { lowerings } from './legalise/index.ts'
import { matmulAdd } from './matmul-add.ts'
import { matmulBatchNorm } from './matmul-batch-norm.ts'
import { neutralOperand } from './neutral-operand.ts'
import { noOpResize } from './no-op-resize.ts'
import { noOpView } from './no-op-view.ts'
import { padChain } from './pad-chain.ts'
import { padConv } from './pad-conv.ts'
import { padPool } from './pad-pool.ts'
import { parallelConvConcat } from './parallel-conv-concat.ts'
import { parallelConvSum } from './parallel-conv-sum.ts'
import { powConstant } from './pow-constant.ts'
import { repeatedFunction } from './repeated-function.ts'
import { reshapeChain } from './reshape-chain.ts'
import { reshapeShape } from './reshape-shape.ts'
import { resizeScales } from './resize-scales.ts'
import { sameTypeCast } from './same-type-cast.ts'
import { shapeData } from './shape-data.ts'
import { sharedInputMatMul } from './shared-input-matmul.ts'
import { singleOperand } from './single-operand.ts'
import { sliceChain } from './slice-chain.ts'
import { splitConcat } from './split-concat.ts'
import { transposeChain } from './transpose-chain.ts'
import { transposeThroughElementwise } from './transpose-through-elementwise.ts'
import { whereNot } from './where-not.ts'

/** Every fusion of the project, in the order in which they are tried on a node. */
export const fusions = (): readonly Fusion[] => [
  // First: what nobody uses need not be looked at by the others.
  deadNode,
  constantNode,
  constantView,
  // Before folding and the chains: it needs no runtime, and a node whose elements are known needs no simplification.
  shapeData,
  // Remembers what it met, so each run has its own.
  constantFold(),
  constantIf,
  identity,
  dropout,
  sameTypeCast,
  singleOperand,
  neutralOperand,
  noOpView,
  noOpResize,
  repeatedFunction,
  // After the no-ops, which make equal nodes look different; it remembers what it met as well.
  commonSubexpression(),
  commonShapeData(),
  reshapeChain,
  reshapeShape,
  resizeScales,
  expandBroadcast,
  transposeChain,
  transposeThroughElementwise,
  sliceChain,
  splitConcat,
  concatChain,
  castChain,
  padChain,
  clipChain,
  whereNot,
  powConstant,
  convBatchNorm,
  convTransposeBatchNorm,
  gemmBatchNorm,
  matmulBatchNorm,
  // Before the constants in them are absorbed by a neighbour.
  ...blocks,
  affineAfterLinear,
  affineBeforeLinear,
  einsum,
  globalAveragePool,
  padConv,
  padPool,
  gemmTranspose,
  matmulAdd,
  gemmAdd,
  focusConv,
  convConv,
  gemmGemm,
  parallelConvSum,
  parallelConvConcat,
  // After the blocks: it joins what they look for apart.
  sharedInputMatMul,
  // After the affine absorption, which takes constants one by one and a division as it is.
  constantChain,
  divByConstant,
  // After what recognises these operators, or folds them.
  ...lowerings,
  // Last: the others build convolutions anew.
  explicitAttributes,
]
