import { blocks } from './blocks/index.ts'
import { castChain } from './canonical/cast-chain.ts'
import { clipChain } from './canonical/clip-chain.ts'
import { commonShapeData } from './canonical/common-shape-data.ts'
import { commonSubexpression } from './canonical/common-subexpression.ts'
import { concatChain } from './canonical/concat-chain.ts'
import { constantChain } from './canonical/constant-chain.ts'
import { constantFold } from './canonical/constant-fold.ts'
import { constantIf } from './canonical/constant-if.ts'
import { constantNode } from './canonical/constant-node.ts'
import { constantView } from './canonical/constant-view.ts'
import { deadNode } from './canonical/dead-node.ts'
import { divByConstant } from './canonical/div-by-constant.ts'
import { dropout } from './canonical/dropout.ts'
import { expandBroadcast } from './canonical/expand-broadcast.ts'
import { explicitAttributes } from './canonical/explicit-attributes.ts'
import { identity } from './canonical/identity.ts'
import { neutralOperand } from './canonical/neutral-operand.ts'
import { noOpResize } from './canonical/no-op-resize.ts'
import { noOpView } from './canonical/no-op-view.ts'
import { padChain } from './canonical/pad-chain.ts'
import { powConstant } from './canonical/pow-constant.ts'
import { reduceKeepDims } from './canonical/reduce-keep-dims.ts'
import { redundantRelu } from './canonical/redundant-relu.ts'
import { repeatedFunction } from './canonical/repeated-function.ts'
import { reshapeChain } from './canonical/reshape-chain.ts'
import { reshapeShape } from './canonical/reshape-shape.ts'
import { resizeScales } from './canonical/resize-scales.ts'
import { sameTypeCast } from './canonical/same-type-cast.ts'
import { shapeData } from './canonical/shape-data.ts'
import { singleOperand } from './canonical/single-operand.ts'
import { sliceChain } from './canonical/slice-chain.ts'
import { splitConcat } from './canonical/split-concat.ts'
import { transposeChain } from './canonical/transpose-chain.ts'
import { transposeThroughElementwise } from './canonical/transpose-through-elementwise.ts'
import { whereNot } from './canonical/where-not.ts'
import type { Fusion } from './define-fusion.ts'
import { lowerings } from './legalise/index.ts'
import { affineAfterLinear } from './linear/affine-after-linear.ts'
import { affineBeforeLinear } from './linear/affine-before-linear.ts'
import { convBatchNorm } from './linear/conv-batch-norm.ts'
import { convConv } from './linear/conv-conv.ts'
import { convTransposeBatchNorm } from './linear/conv-transpose-batch-norm.ts'
import { einsum } from './linear/einsum.ts'
import { focusConv } from './linear/focus-conv.ts'
import { gemmAdd } from './linear/gemm-add.ts'
import { gemmBatchNorm } from './linear/gemm-batch-norm.ts'
import { gemmGemm } from './linear/gemm-gemm.ts'
import { gemmTranspose } from './linear/gemm-transpose.ts'
import { globalAveragePool } from './linear/global-average-pool.ts'
import { matmulAdd } from './linear/matmul-add.ts'
import { matmulBatchNorm } from './linear/matmul-batch-norm.ts'
import { padConv } from './linear/pad-conv.ts'
import { padPool } from './linear/pad-pool.ts'
import { parallelConvConcat } from './linear/parallel-conv-concat.ts'
import { parallelConvSum } from './linear/parallel-conv-sum.ts'
import { sharedInputMatMul } from './linear/shared-input-matmul.ts'

/** The fusions of the first phase, in the order in which they are tried on a node. */
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
  redundantRelu,
  // After the no-ops, which make equal nodes look different; it remembers what it met as well.
  commonSubexpression(),
  commonShapeData(),
  // Before the views are merged with what follows.
  reduceKeepDims,
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
