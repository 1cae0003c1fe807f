import type { WeightOnly } from '../fusion/index.ts'
import type { Model } from '../graph/index.ts'
import type { ModelReport } from '../runtime/types.ts'
import type { VerifyOptions } from './options.ts'

/** What taking the quantisation of activations out did to the outputs, for reports. */
export type QuantizationReport = NonNullable<ModelReport['quantization']>

/**
 * Runs the quantised model, and the one whose activations no longer are, on the same inputs. Never fails: the outputs are meant to differ, and by how much is
 * what is asked.
 */
export async function quantizationReport(
  quantized: Model,
  { model, pairs }: WeightOnly,
  verify: false | VerifyOptions,
): Promise<QuantizationReport & { milliseconds: number }> {
  if (verify === false) return { pairs, status: 'off', milliseconds: 0 }
  const { verify: compare } = await import('./verification/index.ts')
  const { timeout } = verify
  const compared = await compare({
    original: quantized,
    fused: model,
    tolerance: Number.POSITIVE_INFINITY,
    timeout,
  })
  const { status, reason, maxAbsError, maxRelError, milliseconds } = compared
  return {
    pairs,
    status: status === 'verified' || status === 'failed' ? 'compared' : 'not-compared',
    ...(reason !== undefined && { reason }),
    ...(maxAbsError !== undefined && { maxAbsError }),
    ...(maxRelError !== undefined && { maxRelError }),
    milliseconds,
  }
}
