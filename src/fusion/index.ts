/** What rewrites a graph. Pure: knows only graph/, works in Node and in a browser. */
export { randomOperators } from './canonical/random-operators.ts'
export { type Dim, type Evaluate, type FusionContext, sameDim } from './context.ts'
export {
  defineFusion,
  type Fusion,
  type PatternFusion,
  type Replacement,
  type Rewrite,
  type RootFusion,
} from './define-fusion.ts'
export type { NearMiss, Step } from './driver.ts'
export { FusionError, type FusionErrorCode } from './errors.ts'
export { type FuseOptions, type FusionReport, fuse, fusionNames } from './fuse.ts'
export {
  type BatchNormStatistics,
  type FusedWeights,
  fuseBatchNormWeights,
  type WeightLayout,
} from './linear/fuse-batch-norm-weights.ts'
export { matchPattern } from './match-pattern.ts'
export {
  any,
  constant,
  either,
  inverse,
  type Match,
  node,
  optional,
  type Pattern,
  product,
  Refusal,
  scalar,
  sum,
  whyNotConstant,
  whyShared,
} from './pattern.ts'
export { dispatches, failingOnWebgpu, type NodeOnCpu, type Placement, placement } from './placement/index.ts'
export { type Qdq, qdqModes } from './qdq.ts'
export { type Target, targets } from './target.ts'
export { type WeightOnly, weightOnlyQuantization } from './weight-only/index.ts'
