import type { FuseOptions, FusionReport } from '../../fusion/index.ts'
import type { Model } from '../../graph/index.ts'

/**
 * - `verified`: both models ran on the same inputs, and every output is within the tolerance.
 * - `unchanged`: the model came through as it was; there is nothing to compare.
 * - `not-verified`: the comparison says nothing, for the reason given.
 * - `failed`: an output is past the tolerance, or the fused model does not run.
 * - `off`: nobody asked for it.
 */
export type VerificationStatus = 'verified' | 'unchanged' | 'not-verified' | 'failed' | 'off'

export interface Verification {
  status: VerificationStatus
  /** Why it is not verified, or what failed. */
  reason?: string
  /** Largest |original − fused| over all elements of all outputs and runs. */
  maxAbsError?: number
  /** Largest, over outputs and runs, of |original − fused| relative to the output's largest magnitude. */
  maxRelError?: number
  /** Milliseconds it took. */
  milliseconds: number
}

export interface VerifySettings {
  /** Largest relative error that passes. Default: `defaultTolerance`, by the original's element types. */
  tolerance?: number | undefined
  /** Milliseconds that loading a model, and each run, may take. Default: two minutes. */
  timeout?: number | undefined
}

export interface VerifyOptions extends VerifySettings {
  original: Model
  fused: Model
}

/** What `fuse` made, and how. */
export interface Fused {
  fused: Model
  /** What `fuse` was called with. */
  fuseOptions?: FuseOptions
  /** What `fuse` reported. */
  report: FusionReport
  /** For messages. */
  file?: string | undefined
}

export interface VerifyFusionOptions extends VerifySettings, Fused {
  original: Model
}
