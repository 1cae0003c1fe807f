/** Shows that a fused model computes what the original computes: both run on the same seeded inputs, and every output is compared. */
export { defaultTolerance } from './tolerance.ts'
export { VerificationError } from './verification-error.ts'
export {
  disposeVerification,
  type Fused,
  OriginalRun,
  type Verification,
  type VerificationStatus,
  type VerifyFusionOptions,
  type VerifyOptions,
  type VerifySettings,
  verify,
  verifyFusion,
} from './verify.ts'
