import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type BuildOptions, buildModel, type GraphBuilder } from '../../src/graph/index.ts'
import { type CompareOptions, type Fused, fuseAndCompare } from './fuse-and-compare.ts'

/** A model as it was drawn, and what is to become of it. */
export interface DrawnModel extends CompareOptions, BuildOptions {
  build: (g: GraphBuilder) => void
  /** How often the fusion is to fire; true for at least once; left out where only a run tells whether it may. */
  fires?: number | boolean
}

export interface DrawnOptions {
  /** Further fusions, applied as well. */
  also?: readonly string[]
  /** Default: 40. */
  numRuns?: number
}

/**
 * Holds a fusion to models as they come: it fires where it is to, and nowhere else, and the model computes the same before and after. At
 * least some of what is drawn has to be fused.
 */
export function testDrawn<Drawn>(
  name: string,
  drawn: fc.Arbitrary<Drawn>,
  asModel: (drawn: Drawn) => DrawnModel,
  { also = [], numRuns = 40 }: DrawnOptions = {},
): void {
  it(`${name} computes the same for models as they come`, async () => {
    let fired = 0
    await fc.assert(
      fc.asyncProperty(drawn, async (parameters) => {
        const { build, fires, ...options } = asModel(parameters)
        const { report }: Fused = await fuseAndCompare(buildModel(build, options), {
          only: [name, ...also],
          ...options,
        })
        const count = report.fusions[name] ?? 0
        if (fires !== undefined) expect(typeof fires === 'boolean' ? count > 0 : count).toBe(fires)
        fired += count
      }),
      { numRuns },
    )
    expect(fired).toBeGreaterThan(0)
  })
}

/** Dims of a tensor that broadcasts within one of the given shape: 1 along some axes, and some leading ones left out. */
export const dimsWithin = (shape: readonly number[]): fc.Arbitrary<number[]> =>
  fc
    .tuple(fc.nat({ max: shape.length }), fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }))
    .map(([dropped, whole]) => shape.map((dim, axis) => (whole[axis] ? dim : 1)).slice(dropped))

/** A shape of small sizes. */
export const shapes = ({ min = 1, max = 3 }: { min?: number; max?: number } = {}): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength: min, maxLength: max })
