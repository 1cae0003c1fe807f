import type { Fusion } from '../define-fusion.ts'
import { attentionProjectionBias } from './attention-projection-bias.ts'
import { biasGelu } from './bias-gelu.ts'
import { depthToSpace } from './depth-to-space.ts'
import { fastGelu } from './fast-gelu.ts'
import { gelu } from './gelu.ts'
import { gemmBeforeSkipNormalization } from './gemm-before-skip-normalization.ts'
import { gemmBetweenTransposes } from './gemm-between-transposes.ts'
import { groupedAttention } from './grouped-attention.ts'
import { hardSigmoid, scaledHardSigmoid } from './hard-sigmoid.ts'
import { hardSwish } from './hard-swish.ts'
import { instanceNormalization } from './instance-normalization.ts'
import { layerNormalization } from './layer-normalization.ts'
import { layerNormalizationChannelFirst } from './layer-normalization-channel-first.ts'
import { layerNormalizationMoments } from './layer-normalization-moments.ts'
import { matmulNBits } from './matmul-nbits.ts'
import { multiHeadAttention } from './multi-head-attention.ts'
import { normalizationAffine } from './normalization-affine.ts'
import { normalizationPrecision } from './normalization-precision.ts'
import { packedAttention } from './packed-attention.ts'
import { quantizedEmbedding } from './quantized-embedding.ts'
import { quickGelu } from './quick-gelu.ts'
import { rmsNormalization } from './rms-normalization.ts'
import { rotaryEmbedding } from './rotary-embedding.ts'
import { rotaryEmbeddingPartial } from './rotary-embedding-partial.ts'
import { rotaryEmbeddingParts } from './rotary-embedding-parts.ts'
import { skipNormalization, skipNormalizationBias } from './skip-normalization.ts'
import { splitThroughViews, unbindToSplit } from './split-before-views.ts'
import { transposeThroughMatMul } from './transpose-through-matmul.ts'

/** What recognises blocks of models as the operator made for them, in the order in which they are tried on a node. */
export const blocks: readonly Fusion[] = [
  gelu,
  fastGelu,
  biasGelu,
  quickGelu,
  // Before hard-sigmoid, which would take the gate of what is divided at the end.
  scaledHardSigmoid,
  hardSigmoid,
  hardSwish,
  // An image's axes are its last ones as well: before layer-normalization.
  instanceNormalization,
  layerNormalization,
  layerNormalizationChannelFirst,
  layerNormalizationMoments,
  // After layer-normalization, which is a root mean square of what has no mean.
  rmsNormalization,
  normalizationAffine,
  normalizationPrecision,
  skipNormalization,
  skipNormalizationBias,
  // Before attention, which looks for the heads behind it.
  rotaryEmbedding,
  rotaryEmbeddingParts,
  rotaryEmbeddingPartial,
  // Before attention too: what it takes in is then fewer views away.
  transposeThroughMatMul,
  unbindToSplit,
  splitThroughViews,
  multiHeadAttention,
  groupedAttention,
  attentionProjectionBias,
  packedAttention,
  gemmBetweenTransposes,
  gemmBeforeSkipNormalization,
  depthToSpace,
  matmulNBits,
  quantizedEmbedding,
]
