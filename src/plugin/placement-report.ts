import { dispatches, type Placement, placement } from '../fusion/index.ts'
import type { Model } from '../graph/index.ts'
import type { ModelReport } from '../runtime/types.ts'

/** A prediction in full, and in short for the report that ships with a model. `version` is that of the onnxruntime-web installed. */
export function placementReport(
  original: Model,
  fused: Model,
  version: string | undefined,
): { full: Placement; short: ModelReport['placement'] } {
  const full = placement(fused, version)
  const { kernels, gpu, cpu, copies, largestBuffer, staticShapes, whollyOnGpu, againstGraphCapture } = full
  const isOther = version !== undefined && !`${version}.`.startsWith(`${kernels}.`)
  return {
    full,
    short: {
      kernels,
      ...(isOther && { installed: version }),
      gpu,
      cpu: cpu.length,
      copies,
      dispatches: {
        before: fused === original ? full.dispatches : dispatches(original, version),
        after: full.dispatches,
      },
      ...(largestBuffer && { largestBuffer: largestBuffer.bytes }),
      staticShapes,
      whollyOnGpu,
      graphCapture: againstGraphCapture.length === 0,
    },
  }
}

/** The same in a few words. */
export function formatPlacement({
  kernels,
  installed,
  cpu,
  copies,
  dispatches,
  whollyOnGpu,
}: ModelReport['placement']): string {
  const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`
  const all = copies.toGpu + copies.toCpu
  const place = whollyOnGpu
    ? 'wholly on the GPU'
    : [
        count(cpu, 'node on the CPU', 'nodes on the CPU'),
        ...(all > 0 ? [count(all, 'copy', 'copies')] : []),
        ...(copies.toCpu > 0 ? [`${copies.toCpu} back to the CPU`] : []),
      ].join(', ')
  const { before, after } = dispatches
  const kernelsRun = before === after ? `${after} dispatches` : `${before} → ${after} dispatches`
  const doubt =
    installed === undefined ? '' : ` (by the kernels of onnxruntime-web ${kernels}; ${installed} is not known)`
  return `${place}, ${kernelsRun}${doubt}`
}
