/** Shows that a fused model computes what the original computes: both run on the same seeded inputs, and every output is compared. */
export { defaultTolerance } from './tolerance.ts'
export { VerificationError } from './verification-error.ts'
export {
  disposeVerification,
  startVerification,
  type Verification,
  type VerificationStatus,
  type VerifyFusionOptions,
  type VerifyOptions,
  verify,
  verifyFusion,
} from './verify.ts'
