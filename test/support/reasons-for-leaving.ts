import { expect } from 'vitest'
import { fuse } from '../../src/fusion/index.ts'
import { type BuildOptions, buildModel, type GraphBuilder } from '../../src/graph/index.ts'

/** Why a fusion leaves a model alone which no runtime takes, or which is too large to be run in a test. */
export function reasonsForLeaving(
  fusion: string,
  build: (g: GraphBuilder) => void,
  options: BuildOptions = {},
): string[] {
  const model = buildModel(build, options)
  const { model: fused, report } = fuse(model, { only: [fusion] })
  expect(fused).toBe(model)
  return report.nearMisses.map(({ reason }) => reason)
}
