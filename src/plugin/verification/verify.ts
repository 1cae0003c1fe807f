import { OriginalRun } from './original-run.ts'
import type { Verification, VerifyFusionOptions, VerifyOptions } from './verification.ts'

/**
 * Runs original and fused on the same seeded inputs with onnxruntime-web's wasm provider, in a thread, and compares all outputs.
 * Never throws for what a model does: a model that cannot be run on random inputs is `not-verified`, with the reason.
 */
export async function verify({ original, fused, ...settings }: VerifyOptions): Promise<Verification> {
  return (await new OriginalRun(original, settings).compare(fused)).verification
}

/**
 * As `verify`, for what `fuse` made. Throws VerificationError when the outputs differ, naming the fusion that did it, found by
 * bisecting the rewrites.
 */
export function verifyFusion({ original, tolerance, timeout, ...fused }: VerifyFusionOptions): Promise<Verification> {
  return new OriginalRun(original, { tolerance, timeout }).verifyFusion(fused)
}
