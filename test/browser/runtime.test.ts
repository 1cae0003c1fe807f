import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as ort from 'onnxruntime-web'
import type { Browser } from 'playwright-core'
import { buildModel, concatenate, encode } from 'unplugin-onnx'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Order, Outcome } from './fixture/run-model.ts'
import { launchBrowser } from './launch-browser.ts'
import { type ServeOptions, type StaticServer, serve } from './static-server.ts'
import { type PageOptions, type WatchedPage, withPage } from './with-page.ts'

const size = 6
const x = Array.from({ length: 2 * 3 * size * size }, (_, index) => Math.sin(index))
const weights = (count: number, phase: number) =>
  Array.from({ length: count }, (_, index) => Math.cos(index + phase) / 4)

/** Conv, Relu, Conv on images of any batch. */
const convolutions = (phase: number) =>
  buildModel((g) => {
    const image = g.input('x', 'float32', ['batch', 3, size, size])
    const conv = (input: typeof image, into: number, from: number) =>
      g.op('Conv', [input, g.constant(weights(into * from * 9, phase), { dims: [into, from, 3, 3] })], {
        pads: [1, 1, 1, 1],
      })
    g.output('y', conv(g.op('Relu', [conv(image, 4, 3)]), 2, 4))
  })

/** Convolves in float16, for which SwiftShader lacks the feature: its WebGPU refuses to create the session. */
const halfConvolution = () =>
  buildModel((g) => {
    const half = g.op('Cast', [g.input('x', 'float32', ['batch', 3, size, size])], { to: 10 })
    const kernel = g.constant(weights(2 * 3 * 9, 0), { dims: [2, 3, 3, 3], type: 'float16' })
    g.output('y', g.op('Cast', [g.op('Conv', [half, kernel])], { to: 1 }))
  })

/** Adds in float16: the session is created, and the first run would fail. */
const halfSum = () =>
  buildModel((g) => {
    const half = g.op('Cast', [g.input('x', 'float32', ['batch', 3, size, size])], { to: 10 })
    g.output('y', g.op('Cast', [g.op('Add', [half, half])], { to: 1 }))
  })

/** Pools with indices: onnxruntime puts it on the GPU, where it fails in the run. */
const poolWithIndices = () =>
  buildModel((g) => {
    const image = g.op('Relu', [g.input('x', 'float32', ['batch', 3, size, size])])
    const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }
    const [largest, indices] = g.node('MaxPool', [image], attributes, { name: 'pool', outputs: 2 }).outputs
    g.output('y', g.op('Add', [g.op('Cast', [indices], { to: 1 }), largest]))
  })

const models = {
  first: convolutions(0),
  second: convolutions(1),
  half: halfConvolution(),
  halfSum: halfSum(),
  pool: poolWithIndices(),
}
type ModelName = keyof typeof models

let folder = ''
let withGpu: Browser
let withoutGpu: Browser
const orders = {} as Record<ModelName, Order>
const expected = {} as Record<ModelName, { dims: readonly number[]; data: readonly number[] }>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runtime-page-'))
  ;[withGpu, withoutGpu] = await Promise.all([
    launchBrowser(),
    launchBrowser({ webgpu: false }),
    build({
      root: fileURLToPath(new URL('./fixture', import.meta.url)),
      base: './',
      configFile: false,
      logLevel: 'warn',
      worker: { format: 'es' },
      build: { outDir: folder, emptyOutDir: true, target: 'esnext' },
    }),
  ])
  for (const name of Object.keys(models) as ModelName[]) {
    const bytes = concatenate(encode(models[name]).chunks)
    await writeFile(join(folder, `${name}.onnx`), bytes)
    orders[name] = { model: describeModel(name, bytes), x }
    expected[name] = await inNode(bytes)
  }
  const jspiWasm = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm')
  await copyFile(jspiWasm, join(folder, 'elsewhere.wasm'))
})
afterAll(async () => {
  await Promise.all([withGpu?.close(), withoutGpu?.close()])
  await rm(folder, { recursive: true })
})

const describeModel = (name: string, bytes: Uint8Array): Order['model'] => ({
  url: `${name}.onnx`,
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 3, size, size] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['batch', null, size, size] }],
})

const inNode = async (bytes: Uint8Array) => {
  const session = await ort.InferenceSession.create(bytes)
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [2, 3, size, size]) })
  await session.release()
  if (!(y?.data instanceof Float32Array)) throw new Error('the model has no output y')
  return { dims: y.dims, data: [...y.data] }
}

type Use<Result> = (watched: WatchedPage, server: StaticServer) => Promise<Result>
const onPage = async <Result>(
  browser: Browser,
  use: Use<Result>,
  { serving = {}, host, ...options }: PageOptions & { serving?: ServeOptions; host?: string } = {},
): Promise<Result> => {
  const server = await serve(folder, serving)
  try {
    const url = host ? server.url.replace('127.0.0.1', host) : server.url
    return await withPage(browser, url, (watched) => use(watched, server), options)
  } finally {
    await server.close()
  }
}
const runModels = ({ page }: WatchedPage, ...orders: Order[]): Promise<Outcome[]> =>
  page.evaluate((list) => globalThis.page.runModels(list), orders)
const runModel = async (watched: WatchedPage, order: Order): Promise<Outcome> =>
  (await runModels(watched, order))[0] ?? { progress: [] }

const expectResult = (outcome: Outcome | undefined, name: ModelName) => {
  expect(outcome?.error).toBeUndefined()
  expect(outcome?.y?.dims).toEqual(expected[name].dims)
  const errors = expected[name].data.map((value, index) => Math.abs(value - (outcome?.y?.data[index] ?? Number.NaN)))
  expect(Math.max(...errors)).toBeLessThan(1e-5)
  expect(Math.max(...expected[name].data.map(Math.abs))).toBeGreaterThan(0.05)
}
const wasmFiles = ({ requests }: StaticServer) => requests.filter((path) => path.endsWith('.wasm'))

describe('with WebGPU', () => {
  it('computes on the GPU what Node computes, on the JSPI build', () =>
    onPage(withGpu, async (watched, server) => {
      const outcome = await runModel(watched, { ...orders.first, executionProviders: ['webgpu'] })
      expectResult(outcome, 'first')
      expect(outcome.session).toEqual({ executionProvider: 'webgpu', fallbackReason: undefined })
      expect(await watched.dispatches()).toBeGreaterThan(0)
      expect(wasmFiles(server)).toEqual([expect.stringContaining('.jspi')])
      const { bytes } = orders.first.model
      expect(outcome.progress[0]).toEqual({ loaded: 0, total: bytes })
      expect(outcome.progress.at(-1)).toEqual({ loaded: bytes, total: bytes })
    }))

  it('computes the same on the asyncify build where the browser lacks JSPI', () =>
    onPage(
      withGpu,
      async (watched, server) => {
        const outcome = await runModel(watched, { ...orders.first, executionProviders: ['webgpu'] })
        expectResult(outcome, 'first')
        expect(await watched.dispatches()).toBeGreaterThan(0)
        expect(wasmFiles(server)).toEqual([expect.stringContaining('.asyncify')])
      },
      { before: () => Reflect.deleteProperty(WebAssembly, 'Suspending') },
    ))

  it('does not touch the GPU when wasm alone is asked for', () =>
    onPage(withGpu, async (watched, server) => {
      const outcome = await runModel(watched, { ...orders.first, executionProviders: ['wasm'] })
      expectResult(outcome, 'first')
      expect(outcome.session?.executionProvider).toBe('wasm')
      expect(await watched.adapterRequests()).toBe(0)
      expect(await watched.dispatches()).toBe(0)
      expect(wasmFiles(server)).toEqual([expect.stringMatching(/threaded-[^.]+\.wasm$/)])
    }))

  it('loads and runs several models at once, on both providers', () =>
    onPage(withGpu, async (watched) => {
      const outcomes = await runModels(
        watched,
        { ...orders.first, executionProviders: ['webgpu'] },
        { ...orders.second, executionProviders: ['webgpu'] },
        orders.first,
        { ...orders.second, executionProviders: ['wasm'] },
      )
      expectResult(outcomes[0], 'first')
      expectResult(outcomes[1], 'second')
      expectResult(outcomes[2], 'first')
      expectResult(outcomes[3], 'second')
    }))

  it('falls back to wasm for a model that WebGPU refuses, and says why', () =>
    onPage(withGpu, async (watched) => {
      const outcome = await runModel(watched, orders.half)
      expectResult(outcome, 'half')
      expect(outcome.session?.executionProvider).toBe('wasm')
      expect(outcome.session?.fallbackReason).toMatch(/^webgpu: .*f16/)
      const alone = await runModel(watched, { ...orders.half, executionProviders: ['webgpu'] })
      expect(alone.error?.code).toBe('session')
      expectResult(await runModel(watched, { ...orders.first, executionProviders: ['webgpu'] }), 'first')
    }))

  it('leaves the nodes to the CPU whose kernels fail', () =>
    onPage(
      withGpu,
      async (watched) => {
        const order: Order = { ...orders.pool, executionProviders: ['webgpu'] }
        expect((await runModel(watched, order)).error?.message).toMatch(/Indices output is not supported/)
        const outcome = await runModel(watched, { ...order, model: { ...order.model, cpuNodes: ['pool'] } })
        expectResult(outcome, 'pool')
        expect(outcome.session?.executionProvider).toBe('webgpu')
      },
      { allow: [/Indices output is not supported/, /VerifyEachNodeIsAssignedToAnEp/] },
    ))

  it('falls back to wasm for a model that needs a feature which the adapter lacks', () =>
    onPage(withGpu, async (watched) => {
      const order: Order = { ...orders.halfSum, model: { ...orders.halfSum.model, features: ['shader-f16'] } }
      const outcome = await runModel(watched, order)
      expectResult(outcome, 'halfSum')
      expect(outcome.session).toEqual({
        executionProvider: 'wasm',
        fallbackReason: 'webgpu: the adapter lacks shader-f16, which the model needs.',
      })
      expect(await watched.dispatches()).toBe(0)
    }))

  it('runs in a worker', () =>
    onPage(withGpu, async ({ page }) => {
      const order: Order = { ...orders.first, model: { ...orders.first.model, url: '/first.onnx' } }
      const outcome = await page.evaluate((given) => globalThis.page.runInWorker(given), order)
      expectResult(outcome, 'first')
      expect(outcome.session?.executionProvider).toBe('webgpu')
    }))

  it('takes the .wasm file from the URL that the description names', () =>
    onPage(withGpu, async (watched, server) => {
      expectResult(await runModel(watched, { ...orders.first, jspiWasm: '/elsewhere.wasm' }), 'first')
      expect(wasmFiles(server)).toEqual(['/elsewhere.wasm'])
    }))
})

describe('without WebGPU', () => {
  it('falls back to wasm and says why', () =>
    onPage(withoutGpu, async (watched) => {
      const outcome = await runModel(watched, orders.first)
      expectResult(outcome, 'first')
      expect(outcome.session?.executionProvider).toBe('wasm')
      expect(outcome.session?.fallbackReason).toMatch(/^webgpu: .*no adapter/)
      expect(await watched.dispatches()).toBe(0)
    }))

  it('throws when WebGPU alone is asked for', () =>
    onPage(withoutGpu, async (watched) => {
      const outcome = await runModel(watched, { ...orders.first, executionProviders: ['webgpu'] })
      expect(outcome.error).toMatchObject({ name: 'OnnxLoadError', code: 'no-adapter' })
    }))

  it('works on a page that is no secure context, where neither navigator.gpu nor crypto.subtle exists', () =>
    onPage(
      withGpu,
      async (watched, server) => {
        expect(await watched.page.evaluate(() => [isSecureContext, 'gpu' in navigator, 'subtle' in crypto])).toEqual([
          false,
          false,
          false,
        ])
        const outcome = await runModel(watched, orders.first)
        expectResult(outcome, 'first')
        expect(outcome.session?.fallbackReason).toMatch(/navigator.gpu is missing/)
        expect(wasmFiles(server)).toEqual([expect.stringMatching(/threaded-[^.]+\.wasm$/)])
      },
      { host: 'insecure.test' },
    ))

  it('runs on several threads on a page that is cross-origin isolated', () =>
    onPage(
      withoutGpu,
      async (watched) => {
        expect(await watched.page.evaluate(() => crossOriginIsolated)).toBe(true)
        const order: Order = { ...orders.first, executionProviders: ['wasm'], numThreads: 2 }
        expectResult(await runModel(watched, order), 'first')
        expect(watched.page.workers().length).toBeGreaterThan(0)
      },
      { serving: { crossOriginIsolated: true } },
    ))
})

describe('the download', () => {
  it('works below a base path', () =>
    onPage(
      withoutGpu,
      async (watched, server) => {
        expectResult(await runModel(watched, orders.first), 'first')
        expect(server.requests.every((path) => path.startsWith('/sub/'))).toBe(true)
      },
      { serving: { base: '/sub/' } },
    ))

  it('names an HTML page that a single-page app’s server gives instead of the model', () =>
    onPage(
      withoutGpu,
      async (watched) => {
        const order: Order = { ...orders.first, model: { ...orders.first.model, url: 'assets/gone.onnx' } }
        const { error } = await runModel(watched, order)
        expect(error).toMatchObject({ name: 'OnnxLoadError', code: 'html-instead-of-model' })
        expect(error?.message).toMatch(/^assets\/gone.onnx: .*base or publicPath/)
      },
      { serving: { spaFallback: true } },
    ))

  it('names a model that is not there', () =>
    onPage(
      withoutGpu,
      async (watched) => {
        const order: Order = { ...orders.first, model: { ...orders.first.model, url: 'gone.onnx' } }
        expect((await runModel(watched, order)).error).toMatchObject({ code: 'http-status' })
      },
      { allow: [/gone\.onnx/] },
    ))

  it('names a model of another build', () =>
    onPage(withoutGpu, async (watched) => {
      const order: Order = { ...orders.first, model: { ...orders.first.model, url: 'second.onnx' } }
      expect((await runModel(watched, order)).error).toMatchObject({ code: 'hash-mismatch' })
    }))

  it('stops when the load is aborted, and can be started again', async () => {
    const bytes = concatenate(encode(models.first).chunks)
    let whole = false
    let stopped = new Promise<void>(() => {})
    const intercept: ServeOptions['intercept'] = (path, response) => {
      if (whole || path !== 'first.onnx') return false
      stopped = new Promise((resolve) => response.on('close', resolve))
      response.setHeader('content-length', bytes.length).write(bytes.subarray(0, bytes.length >> 1))
      return true
    }
    await onPage(
      withoutGpu,
      async (watched) => {
        const aborted = await runModel(watched, { ...orders.first, abortAt: bytes.length >> 1 })
        expect(aborted.error).toEqual({ name: 'Error', code: undefined, message: 'aborted by the test' })
        await stopped
        whole = true
        expectResult(await runModel(watched, orders.first), 'first')
      },
      { serving: { intercept }, allow: [/first\.onnx net::ERR_ABORTED/] },
    )
  })
})
