import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuse } from '../../src/fusion/index.ts'
import { buildModel, concatenate, decode, encode, type Model } from '../../src/graph/index.ts'
import type { Formula } from './fuse-function.ts'
import { Random, relativeDifference, runModel } from './run-model.ts'

/** A model y = f(x), and the dims of x; names stand for 2. */
export interface Guarded {
  shape: readonly (number | string)[]
  build: Formula
  opset?: number
}

export interface GuardTests {
  /** What the runtime's own optimiser makes wrong. At least three. */
  traps: Readonly<Record<string, Guarded>>
  /** What it does not, with the reason where one is given. */
  leftAlone: Readonly<Record<string, Guarded>>
  /** What it might, and the guard cannot help, with the reason. */
  refused: Readonly<Record<string, readonly [RegExp, Guarded]>>
  drawn: fc.Arbitrary<Guarded>
  /** How far results may be apart. Default: 1e-5. */
  tolerance?: number
}

const modelOf = ({ shape, build, opset = 17 }: Guarded): Model =>
  decode(bytesOf(buildModel((g) => g.output('y', build(g, g.input('x', 'float32', shape))), { opset })))

const bytesOf = (model: Model): Uint8Array => concatenate(encode(model).chunks)

/** How far a model with the runtime's own optimiser, and without, is from the original without it: infinitely where the runtime refuses it. */
async function errorsOf(
  { shape }: Guarded,
  original: Model,
  model: Model,
): Promise<{ plain: number; optimised: number }> {
  const x = new Random(1).tensor(shape.map((dim) => (typeof dim === 'number' ? dim : 2)))
  const expected = (await runModel(bytesOf(original), { x })).y
  const error = async (level: 'disabled' | 'all'): Promise<number> => {
    const actual = await runModel(bytesOf(model), { x }, level).catch(() => undefined)
    return expected && actual?.y ? relativeDifference(expected, actual.y) : Number.POSITIVE_INFINITY
  }
  return { plain: await error('disabled'), optimised: await error('all') }
}

/**
 * Holds a guard to its promise: the runtime's own optimiser makes the model wrong, and no longer does so once it is guarded. Where the trap is
 * gone with a release of the runtime, the test fails: the guard has become needless.
 */
export function testGuard(name: string, { traps, leftAlone, refused, drawn, tolerance = 1e-5 }: GuardTests): void {
  describe(name, () => {
    it.each(Object.entries(traps))('guards %s', async (_label, guarded) => {
      const model = modelOf(guarded)
      const { model: fused, report } = fuse(model)
      expect(report.fusions[name]).toBe(1)
      expect((await errorsOf(guarded, model, model)).optimised).toBeGreaterThan(1e-2)
      const { plain, optimised } = await errorsOf(guarded, model, fused)
      expect(Math.max(plain, optimised)).toBeLessThan(tolerance)
      expect(fuse(model, { target: 'onnx' }).report.fusions[name]).toBe(undefined)
    })

    it.each(Object.entries(leftAlone))('leaves alone %s', async (_label, guarded) => {
      const model = modelOf(guarded)
      const { model: fused, report } = fuse(model)
      expect(report.fusions[name]).toBe(undefined)
      const { plain, optimised } = await errorsOf(guarded, model, fused)
      expect(Math.max(plain, optimised)).toBeLessThan(tolerance)
    })

    it.each(Object.entries(refused))('says why it cannot guard %s', (_label, [reason, guarded]) => {
      const { report } = fuse(modelOf(guarded), { only: [name] })
      expect(report.fusions).toEqual({})
      expect(report.nearMisses.map((miss) => miss.reason)).toEqual([expect.stringMatching(reason)])
    })

    it('keeps the runtime from going wrong for models as they come', async () => {
      let fired = 0
      await fc.assert(
        fc.asyncProperty(drawn, async (guarded) => {
          const model = modelOf(guarded)
          const { model: fused, report } = fuse(model)
          fired += report.fusions[name] ?? 0
          const { plain, optimised } = await errorsOf(guarded, model, fused)
          expect(Math.max(plain, optimised)).toBeLessThan(tolerance)
        }),
        { numRuns: 25 },
      )
      expect(fired).toBeGreaterThan(0)
    })
  })
}
