import type { Browser } from 'playwright-core'
import type { Model } from 'unplugin-onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decoder } from './exported/decoder.ts'
import { detector } from './exported/detector.ts'
import { encoder } from './exported/encoder.ts'
import { cache, image, sentences, tokens } from './exported/inputs.ts'
import { expectSameSteps, inNode } from './exported/reference.ts'
import type { Order, Outcome, PlainTensors } from './exported/run-steps.ts'
import { type ModelReport, type PageWithModels, serveModels } from './exported/serve-models.ts'
import { launchBrowser } from './launch-browser.ts'
import { withPage } from './with-page.ts'

interface Exported {
  readonly model: Model
  readonly steps: readonly PlainTensors[]
  readonly carried?: Readonly<Record<string, string>>
}
const models = {
  encoder: { model: encoder(), steps: [sentences(2, 7), sentences(3, 12), sentences(2, 40)] },
  decoder: { model: decoder(), steps: tokens, carried: cache },
  detector: { model: detector(), steps: [image(), image(2)] },
} satisfies Record<string, Exported>
type Name = keyof typeof models
const names = Object.keys(models) as Name[]

let server: Awaited<ReturnType<typeof serveModels>>
let browser: Browser
const expected = {} as Record<Name, PlainTensors[]>

beforeAll(async () => {
  const imports = names.flatMap((name) => [
    [name, `./${name}.onnx?fused`],
    [`${name}Original`, `./${name}.onnx?onnx`],
  ])
  ;[server, browser] = await Promise.all([
    serveModels(
      Object.fromEntries(names.map((name) => [name, models[name].model])),
      Object.fromEntries(imports) as Record<string, string>,
    ),
    launchBrowser(),
  ])
  for (const name of names) {
    const { model, steps, carried }: Exported = models[name]
    expected[name] = await inNode(model, steps, carried)
  }
})
afterAll(() => Promise.all([browser?.close(), server?.close()]))

interface ModelsPage {
  readonly run: (
    model: Name,
    variant: 'fused' | 'original',
    provider: 'webgpu' | 'wasm',
    level?: 'all' | 'disabled',
  ) => Promise<Outcome>
  readonly report: (model: Name) => Promise<ModelReport>
}

/** onnxruntime-web writes to the console, as an error, that it keeps shapes on the CPU. */
const allow = [/VerifyEachNodeIsAssignedToAnEp/]

const onPage = <Result>(use: (page: ModelsPage) => Promise<Result>): Promise<Result> =>
  withPage(
    browser,
    server.url,
    async ({ page }) => {
      await page.waitForFunction('globalThis.runSteps')
      return use({
        run: (name, variant, provider, graphOptimizationLevel = 'all') => {
          const { steps, carried = {} }: Exported = models[name]
          const order: Order = {
            executionProviders: [provider],
            sessionOptions: { graphOptimizationLevel },
            steps,
            carried,
          }
          const given = [variant === 'fused' ? name : `${name}Original`, order] as const
          return page.evaluate(([name, order]) => (globalThis as PageWithModels).runSteps(name, order), given)
        },
        report: (model) => page.evaluate((name) => (globalThis as PageWithModels).reportOf(name), model),
      })
    },
    { allow },
  )

describe.each(names)('a fused %s', (name) => {
  it('computes on the GPU what Node computes, with fewer dispatches than as it is, whether or not the runtime optimises it too', ({
    annotate,
  }) =>
    onPage(async ({ run, report }) => {
      const { verification, nodes } = await report(name)
      expect(verification.status).toBe('verified')
      for (const level of ['all', 'disabled'] as const) {
        const original = await run(name, 'original', 'webgpu', level)
        const fused = await run(name, 'fused', 'webgpu', level)
        expectSameSteps(original.outputs, expected[name])
        expectSameSteps(fused.outputs, expected[name])
        expect([original.executionProvider, fused.executionProvider]).toEqual(['webgpu', 'webgpu'])
        const [before = 0, after = 0] = [original, fused].map(({ dispatches }) => dispatches.at(-1))
        const optimiser = `with the runtime's own optimiser ${level === 'all' ? 'on' : 'off'}`
        await annotate(`${nodes.before} → ${nodes.after} nodes, ${before} → ${after} dispatches a run ${optimiser}`)
        expect(after).toBeGreaterThan(0)
        expect(after).toBeLessThan(before)
      }
    }))

  it('computes the same on the wasm fallback, without the GPU', () =>
    onPage(async ({ run }) => {
      const outcome = await run(name, 'fused', 'wasm')
      expectSameSteps(outcome.outputs, expected[name])
      expect(outcome.executionProvider).toBe('wasm')
      expect(Math.max(...outcome.dispatches)).toBe(0)
    }))
})
