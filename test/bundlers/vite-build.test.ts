import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import onnx, { type Options } from 'unplugin-onnx/vite'
import { build, type InlineConfig, mergeConfig } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from '../browser/launch-browser.ts'
import { serve } from '../browser/static-server.ts'
import {
  answerMessages,
  app,
  appWithWorker,
  expectClose,
  html,
  onBuiltPage,
  runInNodeProcess,
  runModel,
} from './app.ts'
import { bytesOf, convBatchNorm, runInNode, withExternalData } from './models.ts'
import { createProject, type Project } from './project.ts'
import { WatchedBuilds } from './watched-builds.ts'

const model = bytesOf(convBatchNorm())
const external = withExternalData(convBatchNorm(1), 'weights.bin')
let project: Project
let browser: Browser
let expected: number[]
let expectedExternal: number[]

beforeAll(async () => {
  ;[project, browser, expected, expectedExternal] = await Promise.all([
    createProject(
      {
        'index.html': html,
        'src/app.js': app({ fused: './net.onnx?fused', original: './net.onnx?onnx', external: './big.onnx?fused' }),
        'src/net.onnx': model,
        'src/big.onnx': external.model,
        'src/weights.bin': external.data,
        'worker/index.html': html,
        'worker/src/app.js': appWithWorker('./worker.js'),
        'worker/src/worker.js': app({ fused: '../../src/net.onnx?fused' }) + answerMessages,
        'lib/index.js':
          "export { default as fused, url } from '../src/net.onnx?fused'\nexport { default as original } from '../src/net.onnx?onnx'\n",
        'server/entry.js': app({ fused: '../src/net.onnx?fused' }),
      },
      'vite-build',
    ),
    launchBrowser(),
    runInNode(model),
    runInNode(bytesOf(convBatchNorm(1))),
  ])
})
afterAll(async () => {
  await browser?.close()
  await project?.remove()
})

const viteBuild = (config: InlineConfig = {}, options: Options = {}) =>
  build(
    mergeConfig(
      {
        root: project.folder,
        configFile: false,
        logLevel: 'error',
        plugins: [onnx({ dts: false, runtimes: ['wasm'], ...options })],
        build: { outDir: project.path('dist'), emptyOutDir: true, target: 'esnext', minify: false },
      },
      config,
    ),
  )

const builtModels = async (folder = 'dist') => (await project.list(folder)).filter((file) => file.endsWith('.onnx'))

describe('a Vite build', () => {
  it('runs the fused model on WebGPU and on wasm, as Node does', async () => {
    await viteBuild({}, { runtimes: ['jspi', 'webgpu', 'wasm'] })
    await onBuiltPage(browser, project.path('dist'), async (page, _, dispatches) => {
      const onGpu = await runModel(page, 'fused', 'webgpu')
      expect(onGpu.executionProvider).toBe('webgpu')
      expect(await dispatches()).toBeGreaterThan(0)
      expectClose(onGpu.y, expected)
      expect(onGpu.report.nodes).toEqual({ before: 3, after: 2 })
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
      const original = await runModel(page, 'original', 'wasm')
      expectClose(original.y, expected)
      expect(original.report.nodes).toEqual({ before: 3, after: 3 })
      expectClose((await runModel(page, 'external', 'webgpu')).y, expectedExternal)
    })
    const files = await project.list('dist')
    for (const build of ['jspi.wasm', 'asyncify.wasm', 'simd-threaded.wasm']) {
      expect(
        files.filter((file) => file.endsWith('.wasm') && file.replace(/-[\w-]{8}(?=\.wasm)/, '').endsWith(build)),
      ).toHaveLength(1)
    }
  })

  it('ships only the builds of onnxruntime-web that were asked for', async () => {
    await viteBuild()
    const wasm = (await project.list('dist')).filter((file) => file.endsWith('.wasm'))
    expect(wasm).toEqual([expect.stringMatching(/^assets\/ort-wasm-simd-threaded-[\w-]{8}\.wasm$/)])
  })

  it.each([
    { base: '/', path: '/', url: /^\/assets\/net\.[\da-f]{8}-[\w-]{8}\.onnx$/ },
    { base: '/sub/', path: '/sub/', url: /^\/sub\/assets\/net\./ },
    { base: './', path: '/any/where/', url: /^http:\/\/127\.0\.0\.1:\d+\/any\/where\/assets\/net\./ },
  ])('finds the model under the base $base', async ({ base, path, url }) => {
    await viteBuild({ base })
    await onBuiltPage(
      browser,
      project.path('dist'),
      async (page) => {
        for (const name of ['fused', 'external']) {
          const result = await runModel(page, name, 'wasm')
          expectClose(result.y, name === 'fused' ? expected : expectedExternal)
          if (name === 'fused') expect(result.url).toMatch(url)
        }
      },
      { serving: { base: path } },
    )
  })

  it.each(['base', 'renderBuiltUrl'])('finds the model on a CDN given by %s', async (kind) => {
    const cdn = await serve(project.path('dist'), { cors: true })
    const experimental = { renderBuiltUrl: (file: string) => cdn.url + file }
    await viteBuild(kind === 'base' ? { base: cdn.url } : { experimental })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      const { y, url } = await runModel(page, 'fused', 'wasm')
      expect(url).toMatch(`${cdn.url}assets/net.`)
      expectClose(y, expected)
    })
    await cdn.close()
  })

  it('follows assetFileNames, and keeps two variants of a model apart even when those hold no hash', async () => {
    const assetFileNames = 'models/[name][extname]'
    await viteBuild({ build: { rolldownOptions: { output: { assetFileNames } } } })
    expect(await builtModels()).toHaveLength(3)
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      const fused = await runModel(page, 'fused', 'wasm')
      const original = await runModel(page, 'original', 'wasm')
      expect(fused.url).toMatch(/^\/models\/net\.[\da-f]{8}\.onnx$/)
      expect(original.url).not.toBe(fused.url)
      expectClose(original.y, expected)
    })
  })

  it('gives the same bytes each time', async () => {
    await viteBuild()
    const first = await builtModels()
    await viteBuild({}, { cacheDir: 'another-cache' })
    expect(await builtModels()).toEqual(first)
  })

  it('lists the model in the manifest under its source', async () => {
    await viteBuild({ build: { manifest: true } })
    const manifest = JSON.parse(await project.read('dist/.vite/manifest.json'))
    expect(manifest['src/net.onnx'].file).toMatch(/^assets\/net\./)
    expect(manifest['index.html'].assets).toContain(manifest['src/net.onnx'].file)
  })

  it('drops a model that is not used', async () => {
    await project.write({ 'src/unused/app.js': "import model from '../net.onnx?fused'\nconsole.log('without')\n" })
    await viteBuild({ build: { rolldownOptions: { input: project.path('src/unused/app.js') } } })
    const files = await project.list('dist')
    const code = await Promise.all(
      files.filter((file) => file.endsWith('.js')).map((file) => project.read(`dist/${file}`)),
    )
    expect(code.join()).not.toContain('defineModel')
  })

  it.each([
    { base: '/', plugins: undefined },
    { base: './', plugins: undefined },
    { base: '/', plugins: () => [onnx({ dts: false })] },
  ])('runs a model in a worker (base $base, worker.plugins $plugins)', async ({ base, plugins }) => {
    const worker = { format: 'es' as const, ...(plugins && { plugins }) }
    await viteBuild({ base, root: project.path('worker'), worker })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })

  it('runs a model in a worker of the default format', async () => {
    await viteBuild({ root: project.path('worker') })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })

  it('gives a server a file URL that Node can load', async () => {
    await viteBuild({ build: { ssr: project.path('server/entry.js'), outDir: project.path('dist-server') } })
    const { executionProvider, y, url } = await runInNodeProcess(project, 'dist-server/entry.js')
    expect(executionProvider).toBe('wasm')
    expect(url).toMatch(/^file:\/\/.*\/dist-server\/assets\/net\..*\.onnx$/)
    expectClose(y, expected)
  })

  it('gives a library a URL beside its own file, in every format', async () => {
    await viteBuild({
      build: { lib: { entry: project.path('lib/index.js'), formats: ['es', 'cjs'], fileName: 'lib' } },
    })
    expect(await builtModels()).toHaveLength(2)
    const es = await import(`${project.path('dist')}/lib.js`)
    expect(es.url).toMatch(/^file:\/\/.*\/dist\/.*net\.[\da-f]{8}.*\.onnx$/)
    expect(es.fused.url).toBe(es.url)
    expect(es.original.url).not.toBe(es.url)
    const cjs = createRequire(import.meta.url)(project.path('dist/lib.cjs'))
    expect([cjs.url, cjs.original.url]).toEqual([es.url, es.original.url])
    expect(await project.read('dist/lib.js')).toMatch(/import\(.onnxruntime-web\/wasm.\)/)
  })

  it('shows the importing file and line of a broken model', async () => {
    await project.write({
      'src/wrong/app.js': "// one\nimport model from './pointer.onnx?fused'\nconsole.log(model)\n",
      'src/wrong/pointer.onnx': 'version https://git-lfs.github.com/spec/v1\n',
    })
    const failure = viteBuild({ build: { rolldownOptions: { input: project.path('src/wrong/app.js') } } })
    await expect(failure).rejects.toThrow(
      /src\/wrong\/pointer\.onnx: This is a Git-LFS pointer.*imported by src\/wrong\/app\.js:2:19.*2 \| import model from/s,
    )
  })

  it('takes a model from a folder that has no packages', async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'elsewhere-'))
    await writeFile(path.join(elsewhere, 'net.onnx'), model)
    await project.write({ 'far/index.html': html, 'far/src/app.js': app({ far: `${elsewhere}/net.onnx?fused` }) })
    await viteBuild({ root: project.path('far') })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'far', 'wasm')).y, expected)
    })
    await rm(elsewhere, { recursive: true })
  })
})

describe('vite build --watch', () => {
  it('takes the onnxruntime-web beside this package where the project has a release without such builds', async () => {
    const old = await createProject(
      { 'src/app.js': app({ fused: './net.onnx?fused' }), 'src/net.onnx': model },
      'vite-old-runtime',
    )
    try {
      await rm(old.path('node_modules/onnxruntime-web'))
      const manifest = JSON.stringify({ name: 'onnxruntime-web', version: '1.16.0', exports: { '.': './index.js' } })
      await old.write({
        'node_modules/onnxruntime-web/package.json': manifest,
        'node_modules/onnxruntime-web/index.js': '',
      })
      await viteBuild({
        root: old.folder,
        build: { outDir: old.path('dist'), rolldownOptions: { input: old.path('src/app.js') } },
      })
      expect((await old.list('dist')).filter((file) => file.endsWith('.wasm'))).toHaveLength(1)
    } finally {
      await old.remove()
    }
  })

  it('builds the edited model, also when only its weights change, and emits what did not change again', async () => {
    await project.write({
      'watch/index.html': html,
      'watch/src/app.js': app({ fused: './net.onnx?fused', external: './big.onnx?fused' }),
      'watch/src/net.onnx': model,
      'watch/src/big.onnx': external.model,
      'watch/src/weights.bin': external.data,
    })
    const expectedOther = await runInNode(bytesOf(convBatchNorm(2)))
    const watcher = await viteBuild({ root: project.path('watch'), build: { watch: { buildDelay: 20 } } })
    if (!('on' in watcher)) throw new Error('vite build --watch gave no watcher')
    const builds = new WatchedBuilds<'failed' | 'built'>()
    let failed = false
    watcher.on('event', (event) => {
      if ('result' in event) event.result?.close()
      if (event.code === 'START') {
        failed = false
        builds.started()
      }
      if (event.code === 'ERROR') failed = true
      if (event.code === 'END' || event.code === 'ERROR') builds.ended(failed ? 'failed' : 'built')
    })
    const next = (files: Parameters<Project['write']>[0]) =>
      builds.after(() =>
        project.write(
          Object.fromEntries(Object.entries(files).map(([name, content]) => [`watch/src/${name}`, content])),
        ),
      )
    const expectResults = (fused: number[], external: number[]) =>
      onBuiltPage(browser, project.path('dist'), async (page) => {
        expectClose((await runModel(page, 'fused', 'wasm')).y, fused)
        expectClose((await runModel(page, 'external', 'wasm')).y, external)
      })
    await next({})
    await next({ 'app.js': `${app({ fused: './net.onnx?fused', external: './big.onnx?fused' })}console.log(1)` })
    await expectResults(expected, expectedExternal)
    await next({ 'net.onnx': bytesOf(convBatchNorm(2)) })
    await expectResults(expectedOther, expectedExternal)
    await next({ 'weights.bin': withExternalData(convBatchNorm(2), 'weights.bin').data })
    await expectResults(expectedOther, expectedOther)
    expect(await next({ 'net.onnx': 'nonsense' })).toBe('failed')
    expect(await next({ 'net.onnx': model })).toBe('built')
    await expectResults(expected, expectedOther)
    await watcher.close()
  })
})
