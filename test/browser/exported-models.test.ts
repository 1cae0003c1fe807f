import { readFile } from 'node:fs/promises'
import * as ort from 'onnxruntime-web'
import type { Browser } from 'playwright-core'
import { concatenate, encode, type Model } from 'unplugin-onnx'
import onnx from 'unplugin-onnx/vite'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProject, type Project } from '../bundlers/project.ts'
import { decoder, headSize, keyHeads, layers, vocabulary } from './exported/decoder.ts'
import { detector, side } from './exported/detector.ts'
import { encoder } from './exported/encoder.ts'
import type { Order, Outcome, PlainTensor, PlainTensors } from './exported/run-steps.ts'
import { launchBrowser } from './launch-browser.ts'
import { serve } from './static-server.ts'
import { withPage } from './with-page.ts'

const int64 = (dims: readonly number[], data: readonly number[]): PlainTensor => ({ type: 'int64', dims, data })
const float32 = (dims: readonly number[]): PlainTensor => ({
  type: 'float32',
  dims,
  data: Array.from({ length: dims.reduce((product, size) => product * size, 1) }, (_, index) =>
    Math.sin(index * index),
  ),
})
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index)

/** Two sentences, the second padded, and then three of another length. */
const sentences: PlainTensors[] = [
  [2, 7],
  [3, 12],
].map(([batch = 0, length = 0]) => {
  const dims = [batch, length]
  const places = upTo(batch * length)
  return {
    input_ids: int64(
      dims,
      places.map((place) => (place * 37 + 5) % 60),
    ),
    attention_mask: int64(
      dims,
      places.map((place) => Number(place < length || place % length < length - 3)),
    ),
    token_type_ids: int64(
      dims,
      places.map((place) => Number(place % length > 3)),
    ),
  }
})

/** A prompt of five tokens, then one token at a time. */
const tokens: PlainTensors[] = [[0, 5], ...upTo(4, 5).map((past) => [past, 1])].map(([past = 0, count = 0]) => ({
  input_ids: int64(
    [1, count],
    upTo(count, past).map((place) => (place * 29 + 3) % vocabulary),
  ),
  attention_mask: int64([1, past + count], Array(past + count).fill(1)),
  position_ids: int64([1, count], upTo(count, past)),
  ...(past === 0 &&
    Object.fromEntries(cacheNames('past_key_values').map((name) => [name, float32([1, keyHeads, 0, headSize])]))),
}))

function cacheNames(prefix: string): string[] {
  return upTo(layers).flatMap((layer) => ['key', 'value'].map((kind) => `${prefix}.${layer}.${kind}`))
}
const present = cacheNames('present')

interface Exported {
  readonly model: Model
  readonly steps: readonly PlainTensors[]
  readonly carried?: Readonly<Record<string, string>>
}
const models = {
  encoder: { model: encoder(), steps: sentences },
  decoder: {
    model: decoder(),
    steps: tokens,
    carried: Object.fromEntries(cacheNames('past_key_values').map((name, index) => [name, present[index] ?? ''])),
  },
  detector: {
    model: detector(),
    steps: [{ images: float32([1, 3, side, side]) }, { images: float32([1, 3, side, side]) }],
  },
} satisfies Record<string, Exported>
type Name = keyof typeof models
const names = Object.keys(models) as Name[]

let project: Project
let browser: Browser
const expected = {} as Record<Name, PlainTensors[]>

beforeAll(async () => {
  project = await createProject(
    {
      'index.html': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>',
      'main.js': page,
      'run-steps.ts': await readFile(new URL('./exported/run-steps.ts', import.meta.url), 'utf8'),
      ...Object.fromEntries(names.map((name) => [`${name}.onnx`, bytesOf(name)])),
    },
    'exported-models',
  )
  browser = await launchBrowser()
  await build({
    root: project.folder,
    configFile: false,
    logLevel: 'warn',
    plugins: [onnx({ dts: false })],
    build: { target: 'esnext' },
  })
  for (const name of names) expected[name] = await inNode(models[name])
})
afterAll(async () => {
  await browser?.close()
  await project?.remove()
})

const bytesOf = (name: Name): Uint8Array => concatenate(encode(models[name].model).chunks)

/** Every model as the plugin fuses it, and as it is. */
const page = `
${names.map((name) => `import ${name} from './${name}.onnx?fused'\nimport ${name}Original from './${name}.onnx?onnx'`).join('\n')}
import { runSteps } from './run-steps.ts'
const models = { ${names.map((name) => `${name}, ${name}Original`).join(', ')} }
globalThis.runSteps = (name, order) => runSteps(models[name], order)
globalThis.reportOf = (name) => models[name].report
`

/** The original's outputs, step by step, on wasm in Node without onnxruntime's own optimiser. */
const inNode = async ({ model, steps, carried = {} }: Exported): Promise<PlainTensors[]> => {
  const session = await ort.InferenceSession.create(concatenate(encode(model).chunks), {
    graphOptimizationLevel: 'disabled',
  })
  const outputs: Record<string, ort.Tensor>[] = []
  for (const step of steps) {
    const feeds: Record<string, ort.Tensor> = {}
    for (const [name, { type, dims, data }] of Object.entries(step)) {
      feeds[name] =
        type === 'int64'
          ? new ort.Tensor(type, BigInt64Array.from(data, BigInt), dims)
          : new ort.Tensor(type, Float32Array.from(data), dims)
    }
    for (const [input, output] of Object.entries(carried)) {
      const tensor = outputs.at(-1)?.[output]
      if (tensor) feeds[input] = tensor
    }
    outputs.push({ ...(await session.run(feeds)) })
  }
  await session.release()
  return outputs.map((step) =>
    Object.fromEntries(
      Object.entries(step).map(([name, { dims, data }]) => [
        name,
        { type: 'float32', dims, data: [...(data as Float32Array)] },
      ]),
    ),
  )
}

interface Report {
  readonly verification: { readonly status: string }
  readonly nodes: { readonly before: number; readonly after: number }
  readonly placement: { readonly whollyOnGpu: boolean }
}
type PageWithModels = typeof globalThis & {
  runSteps: (name: string, order: Order) => Promise<Outcome>
  reportOf: (name: string) => Report
}

/** onnxruntime-web writes to the console, as an error, that it keeps shapes on the CPU. */
const allow = [/VerifyEachNodeIsAssignedToAnEp/]

const onPage = async <Result>(
  use: (page: {
    run: (model: Name | `${Name}Original`, provider: 'webgpu' | 'wasm', level?: 'all' | 'disabled') => Promise<Outcome>
    report: (model: Name) => Promise<Report>
  }) => Promise<Result>,
): Promise<Result> => {
  const server = await serve(project.path('dist'))
  try {
    return await withPage(
      browser,
      server.url,
      async ({ page }) => {
        await page.waitForFunction('globalThis.runSteps')
        return use({
          run: (model, provider, graphOptimizationLevel = 'all') => {
            const { steps, carried }: Exported = models[model.replace('Original', '') as Name]
            const sessionOptions = { graphOptimizationLevel }
            const order: Order = { executionProviders: [provider], sessionOptions, steps, ...(carried && { carried }) }
            return page.evaluate(([name, order]) => (globalThis as PageWithModels).runSteps(name, order), [
              model,
              order,
            ] as const)
          },
          report: (model) => page.evaluate((name) => (globalThis as PageWithModels).reportOf(name), model),
        })
      },
      { allow },
    )
  } finally {
    await server.close()
  }
}

/** All outputs of all steps, to 1e-4 of the largest number of each output. */
const expectResults = (outcome: Outcome, name: Name) => {
  expect(outcome.outputs).toHaveLength(expected[name].length)
  for (const [step, outputs] of expected[name].entries()) {
    expect(Object.keys(outcome.outputs[step] ?? {}).sort()).toEqual(Object.keys(outputs).sort())
    for (const [output, { dims, data }] of Object.entries(outputs)) {
      const actual = outcome.outputs[step]?.[output]
      expect(actual?.dims).toEqual(dims)
      const largest = Math.max(...data.map(Math.abs))
      const errors = data.map((value, index) => Math.abs(value - (actual?.data[index] ?? Number.NaN)))
      expect(largest).toBeGreaterThan(0.1)
      expect(Math.max(...errors) / largest, `${output} of step ${step}`).toBeLessThan(1e-4)
    }
  }
}

describe.each(names)('a fused %s', (name) => {
  it('computes on the GPU what Node computes, with fewer dispatches than as it is, whether or not the runtime optimises it too', ({
    annotate,
  }) =>
    onPage(async ({ run, report }) => {
      const { verification, nodes } = await report(name)
      expect(verification.status).toBe('verified')
      for (const level of ['all', 'disabled'] as const) {
        const original = await run(`${name}Original`, 'webgpu', level)
        const fused = await run(name, 'webgpu', level)
        expectResults(original, name)
        expectResults(fused, name)
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
      const outcome = await run(name, 'wasm')
      expectResults(outcome, name)
      expect(outcome.executionProvider).toBe('wasm')
      expect(Math.max(...outcome.dispatches)).toBe(0)
    }))
})
