/** Shows that a fused model computes what the original computes: both run on the same seeded inputs, and every output is compared. */
export { disposeVerification, OriginalRun } from './original-run.ts'
export { defaultTolerance } from './tolerance.ts'
export type {
  Fused,
  Verification,
  VerificationStatus,
  VerifyFusionOptions,
  VerifyOptions,
  VerifySettings,
} from './verification.ts'
export { VerificationError } from './verification-error.ts'
export { verify, verifyFusion } from './verify.ts'
