import { rm } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import onnx, { type Options } from 'unplugin-onnx/vite'
import { build, createServer, type InlineConfig, preview, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchBrowser } from '../browser/launch-browser.ts'
import { withPage } from '../browser/with-page.ts'
import { answerMessages, app, appWithWorker, expectClose, html, runModel } from './app.ts'
import { bytesOf, convBatchNorm, runInNode, withExternalData, x } from './models.ts'
import { createProject, type Project } from './project.ts'

const model = bytesOf(convBatchNorm())
const otherModel = bytesOf(convBatchNorm(2))
const external = withExternalData(convBatchNorm(1), 'weights.bin')
const otherExternal = withExternalData(convBatchNorm(2), 'weights.bin')
const sources = {
  'index.html': html,
  'src/app.js': app({ fused: './net.onnx?fused', original: './net.onnx?onnx', external: './big.onnx?fused' }),
  'src/net.onnx': model,
  'src/big.onnx': external.model,
  'src/weights.bin': external.data,
}
let browser: Browser
let project: Project
let server: ViteDevServer | undefined
let expected: number[]
let expectedExternal: number[]
let expectedOther: number[]

beforeAll(async () => {
  ;[browser, expected, expectedExternal, expectedOther] = await Promise.all([
    launchBrowser(),
    runInNode(model),
    runInNode(bytesOf(convBatchNorm(1))),
    runInNode(otherModel),
  ])
})
beforeEach(async () => {
  project = await createProject(sources, 'vite-serve')
})
afterEach(async () => {
  await server?.close()
  await project.remove()
})
afterAll(() => browser?.close())

const configOf = ({ server, ...config }: InlineConfig, options: Options): InlineConfig => ({
  root: project.folder,
  configFile: false,
  logLevel: 'silent',
  plugins: [onnx({ dts: false, ...options })],
  ...config,
  server: { host: '127.0.0.1', ...server },
})

/** Starts the dev server and gives the address of its page. */
const start = async (config: InlineConfig = {}, options: Options = {}): Promise<string> => {
  server = await createServer(configOf(config, options))
  await server.listen(config.server?.port ?? 0)
  return server.resolvedUrls?.local[0] ?? ''
}

const modelUrl = async (page: Page) => new URL((await runModel(page, 'fused', 'wasm')).url, page.url()).href

/** Makes an edit and waits until the page was loaded anew. */
const afterReload = async (page: Page, edit: () => Promise<unknown>) => {
  const before = await page.evaluate('globalThis.pageNumber')
  await edit()
  await page.waitForFunction(
    (before) => Reflect.get(globalThis, 'pageNumber') !== before && 'runModel' in globalThis,
    before,
  )
}

describe('the Vite dev server', () => {
  it.each(['/', '/sub/'])('runs the fused model on WebGPU and on wasm, as Node does, under base %s', async (base) => {
    const url = await start({ base })
    await withPage(browser, url, async ({ page, dispatches }) => {
      const onGpu = await runModel(page, 'fused', 'webgpu')
      const pageNumber = await page.evaluate('pageNumber')
      expect(onGpu.executionProvider).toBe('webgpu')
      expect(await dispatches()).toBeGreaterThan(0)
      expectClose(onGpu.y, expected)
      expect(onGpu.url).toMatch(new RegExp(`^${base}@unplugin-onnx/[\\da-f]{32}/net\\.[\\da-f]{8}\\.onnx$`))
      expect(onGpu.report.nodes).toEqual({ before: 3, after: 2 })
      const original = await runModel(page, 'original', 'wasm')
      expectClose(original.y, expected)
      expect(original.report.nodes).toEqual({ before: 3, after: 3 })
      expectClose((await runModel(page, 'external', 'wasm')).y, expectedExternal)
      // Nothing was pre-bundled late, which would have loaded the page anew.
      expect(await page.evaluate('pageNumber')).toBe(pageNumber)
    })
  })

  it('loads from another origin when server.origin says so', async () => {
    const url = await start({ server: { cors: true } })
    const origin = url.replace('127.0.0.1', 'vite.test').replace(/\/$/, '')
    await server?.close()
    const second = await start({
      server: { port: Number(new URL(url).port), strictPort: true, origin, cors: true, allowedHosts: ['vite.test'] },
    })
    await withPage(browser, second, async ({ page }) => {
      const { url, y } = await runModel(page, 'fused', 'wasm')
      expect(url).toMatch(`${origin}/@unplugin-onnx/`)
      expectClose(y, expected)
    })
  })

  it('gives out the compiled file as bytes, still after a restart, and a 404 once it is gone', async () => {
    const first = await start()
    const address = await withPage(browser, first, ({ page }) => modelUrl(page))
    const { pathname } = new URL(address)
    await server?.close()
    const second = await start()
    const response = await fetch(new URL(pathname, second))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    const bytes = await response.arrayBuffer()
    expect(response.headers.get('content-length')).toBe(String(bytes.byteLength))
    const head = await fetch(new URL(pathname, second), { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.byteLength)])

    const folder = pathname.slice(0, pathname.lastIndexOf('/'))
    for (const wrong of [
      `${folder}/entry.json`,
      `${folder}/..%2f..%2fpackage.json`,
      `${folder}/`,
      '/@unplugin-onnx/',
      `${folder}/%`,
    ]) {
      expect((await fetch(new URL(wrong, second))).status).toBe(404)
    }
    await rm(project.path('node_modules/.cache'), { recursive: true })
    const gone = await fetch(new URL(pathname, second))
    expect(gone.status).toBe(404)
    expect(await gone.text()).toContain('Reload the page')
  })

  it('gives the new model after an edit of the model, or of its weights alone', async () => {
    await withPage(browser, await start(), async ({ page }) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
      await afterReload(page, () => project.write({ 'src/net.onnx': otherModel }))
      expectClose((await runModel(page, 'fused', 'wasm')).y, expectedOther)
      expectClose((await runModel(page, 'original', 'wasm')).y, expectedOther)
      expectClose((await runModel(page, 'external', 'wasm')).y, expectedExternal)
      await afterReload(page, () => project.write({ 'src/weights.bin': otherExternal.data }))
      expectClose((await runModel(page, 'external', 'wasm')).y, expectedOther)
    })
  })

  it('replaces the model without a reload in an app that accepts it', async () => {
    await project.write({
      'src/app.js': `${app({ fused: './net.onnx?fused' })}
        import.meta.hot.accept('./net.onnx?fused', (module) => { models.fused = module.default; globalThis.accepted = true })`,
    })
    await withPage(browser, await start(), async ({ page }) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
      const pageNumber = await page.evaluate('pageNumber')
      await project.write({ 'src/net.onnx': otherModel })
      await page.waitForFunction('globalThis.accepted')
      expectClose((await runModel(page, 'fused', 'wasm')).y, expectedOther)
      expect(await page.evaluate('pageNumber')).toBe(pageNumber)
    })
  })

  it.each([
    {
      fault: 'broken',
      files: { 'src/net.onnx': 'version https://git-lfs.github.com/spec/v1\n' },
      message: /net\.onnx: This is a Git-LFS pointer.*git lfs pull/s,
    },
    { fault: 'missing', files: undefined, message: /net\.onnx: There is no such model file/ },
  ])('shows a $fault model in the overlay, with the importing line, and recovers', async ({ files, message }) => {
    await project.write({ 'src/app.js': app({ fused: './net.onnx?fused' }), ...files })
    if (files === undefined) await rm(project.path('src/net.onnx'))
    const allow = [/500|Internal Server Error|\[vite\]|net\.onnx\?import&fused net::ERR_ABORTED/]
    await withPage(
      browser,
      await start(),
      async ({ page }) => {
        const overlay = page.locator('vite-error-overlay')
        await overlay.waitFor()
        const text = await overlay.locator('.message').textContent()
        expect(text).toMatch(message)
        expect(text).toMatch(/imported by src\/app\.js:2:19/)
        expect(await overlay.locator('.file').first().textContent()).toContain('src/app.js:2')
        await project.write({ 'src/net.onnx': model })
        await page.waitForFunction('globalThis.runModel')
        expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
        expect(await overlay.count()).toBe(0)
      },
      { allow },
    )
  })

  it('runs a model in a worker', async () => {
    await project.write({
      'src/app.js': appWithWorker('./worker.js'),
      'src/worker.js': app({ fused: './net.onnx?fused' }) + answerMessages,
    })
    await withPage(browser, await start(), async ({ page }) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })

  it('runs a model that a package imports, through an alias too', async () => {
    await project.write({
      'node_modules/with-model/package.json':
        '{ "name": "with-model", "type": "module", "exports": { ".": "./index.js", "./net.onnx": "./net.onnx" } }',
      'node_modules/with-model/index.js': "export { default } from './net.onnx?fused'\nexport const helper = 1\n",
      'node_modules/with-model/net.onnx': model,
      'src/app.js': `${app({ bare: 'with-model/net.onnx?fused', aliased: '@/net.onnx?fused' })}
        import inPackage from 'with-model'
        models.inPackage = inPackage`,
    })
    const url = await start({ resolve: { alias: { '@': project.path('src') } } })
    await withPage(browser, url, async ({ page }) => {
      for (const name of ['bare', 'aliased', 'inPackage']) {
        expectClose((await runModel(page, name, 'wasm')).y, expected)
      }
    })
  })

  it('gives server code a file URL that Node can load, and does nothing on import', async () => {
    await start()
    await project.write({ 'src/server.js': "import model from './net.onnx?fused'\nexport default model\n" })
    const loaded = await server?.ssrLoadModule('/src/server.js')
    const { url, load } = loaded?.default ?? {}
    expect(url).toMatch(/^file:\/\/.*\/net\.[\da-f]{8}\.onnx$/)
    const session = await load({ executionProviders: ['wasm'] })
    const { y } = await session.run({ x: Float32Array.from(x) })
    expectClose([...y.data], expected)
    await session.dispose()
  })

  it('works in bundled dev mode', async () => {
    const url = await start({ experimental: { bundledDev: true } })
    await withPage(browser, url, async ({ page }) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })
})

describe('vite preview', () => {
  it.each(['/', '/sub/'])('runs the built model under base %s', async (base) => {
    const config = configOf({ base, build: { target: 'esnext', minify: false } }, { runtimes: ['wasm'] })
    await build(config)
    const previewServer = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } })
    await withPage(browser, previewServer.resolvedUrls?.local[0] ?? '', async ({ page }) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
    await previewServer.close()
  })
})
