import type { Fusion } from '../define-fusion.ts'
import { lowerAbs } from './abs.ts'
import { lowerAffineGrid } from './affine-grid.ts'
import { alwaysTrue } from './always-true.ts'
import { lowerAttention } from './attention.ts'
import { boolMovement } from './bool-movement.ts'
import { broadcastAnd } from './broadcast-and.ts'
import { lowerCelu } from './celu.ts'
import { lowerCenterCropPad } from './center-crop-pad.ts'
import { lowerClip } from './clip.ts'
import { lowerCompress } from './compress.ts'
import { lowerConstantOfShape } from './constant-of-shape.ts'
import { lowerEyeLike } from './eye-like.ts'
import { float64Island } from './float64-island.ts'
import { gatherInOrder } from './gather-in-order.ts'
import { lowerGelu } from './gelu.ts'
import { lowerGlobalLpPool } from './global-lp-pool.ts'
import { lowerGroupNormalization } from './group-normalization.ts'
import { lowerHardmax } from './hardmax.ts'
import { inputShape } from './input-shape.ts'
import { int64Island } from './int64-island.ts'
import { integerSlice } from './integer-slice.ts'
import { lowerLogSoftmax } from './log-softmax.ts'
import { lowerOr, lowerXor } from './logical.ts'
import { lowerLpPool } from './lp-pool.ts'
import { lowerLrn } from './lrn.ts'
import { lowerMean } from './mean.ts'
import { lowerMeanVarianceNormalization } from './mean-variance-normalization.ts'
import { lowerMod } from './mod.ts'
import { nanSoftmax } from './nan-softmax.ts'
import { lowerNeg } from './neg.ts'
import { notCondition } from './not-condition.ts'
import { lowerOneHot } from './one-hot.ts'
import { poolCeilMode } from './pool-ceil-mode.ts'
import { powExponent } from './pow-exponent.ts'
import { rangeInt32 } from './range-int32.ts'
import { lowerReverseSequence } from './reverse-sequence.ts'
import { lowerRmsNormalization } from './rms-normalization.ts'
import { lowerRotaryEmbedding } from './rotary-embedding.ts'
import { lowerRound } from './round.ts'
import { lowerSelu } from './selu.ts'
import { sequenceElement } from './sequence-element.ts'
import { shapePart } from './shape-part.ts'
import { lowerShrink } from './shrink.ts'
import { lowerSign } from './sign.ts'
import { lowerSize } from './size.ts'
import { lowerSoftsign } from './softsign.ts'
import { lowerSpaceToDepth } from './space-to-depth.ts'
import { stableLogSumExp } from './stable-log-sum-exp.ts'
import { lowerStft } from './stft.ts'
import { lowerSum } from './sum.ts'
import { lowerSwish } from './swish.ts'
import { wideSplit } from './wide-split.ts'

/** What keeps a model of opset 22 or later from being read under an older one, in which more operators have kernels. */
export const opsetLowerings: readonly Fusion[] = [
  lowerAffineGrid,
  lowerAttention,
  lowerGelu,
  lowerGroupNormalization,
  lowerRmsNormalization,
  lowerRotaryEmbedding,
  lowerSwish,
  poolCeilMode,
]

/** What rewrites operators for which the runtime has no WebGPU kernel. No two take the same node, so that their order does not matter. */
export const lowerings: readonly Fusion[] = [
  ...opsetLowerings,
  boolMovement,
  broadcastAnd,
  float64Island,
  int64Island,
  integerSlice,
  lowerAbs,
  lowerCelu,
  lowerCenterCropPad,
  lowerClip,
  lowerCompress,
  lowerConstantOfShape,
  lowerEyeLike,
  lowerGlobalLpPool,
  lowerHardmax,
  lowerLogSoftmax,
  lowerLpPool,
  lowerLrn,
  lowerMean,
  lowerMeanVarianceNormalization,
  lowerMod,
  lowerNeg,
  lowerOneHot,
  lowerOr,
  lowerReverseSequence,
  lowerRound,
  lowerSelu,
  lowerShrink,
  lowerSign,
  lowerSoftsign,
  lowerSpaceToDepth,
  lowerStft,
  lowerSum,
  lowerXor,
  nanSoftmax,
  powExponent,
  sequenceElement,
  stableLogSumExp,
  wideSplit,
]

/** What takes the arithmetic of shapes and positions off the way of the data. */
export const shapeArithmetic: readonly Fusion[] = [
  lowerSize,
  inputShape,
  shapePart,
  gatherInOrder,
  alwaysTrue,
  notCondition,
  rangeInt32,
]
