import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import onnx, { type Options } from 'unplugin-onnx/webpack'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import webpack, { type Configuration, type Stats } from 'webpack'
import { launchBrowser } from '../browser/launch-browser.ts'
import { serve } from '../browser/static-server.ts'
import {
  answerMessages,
  app,
  appWithWorker,
  expectClose,
  htmlWith,
  onBuiltPage,
  runInNodeProcess,
  runModel,
} from './app.ts'
import { bytesOf, convBatchNorm, runInNode, withExternalData } from './models.ts'
import { createProject, type Project } from './project.ts'
import { WatchedBuilds } from './watched-builds.ts'

const model = bytesOf(convBatchNorm())
const otherModel = bytesOf(convBatchNorm(2))
const external = withExternalData(convBatchNorm(1), 'weights.bin')
const sources = {
  'src/app.js': app({ fused: './net.onnx?fused', original: './net.onnx?onnx', external: '@models/big.onnx?fused' }),
  'src/net.onnx': model,
  'models/big.onnx': external.model,
  'models/weights.bin': external.data,
  'src/worker-page.js': appWithWorker('./worker.js', 'undefined'),
  'src/worker.js': app({ fused: './net.onnx?fused' }) + answerMessages,
}
let project: Project
let browser: Browser
let expected: number[]
let expectedExternal: number[]
let expectedOther: number[]

beforeAll(async () => {
  ;[project, browser, expected, expectedExternal, expectedOther] = await Promise.all([
    createProject(sources, 'webpack'),
    launchBrowser(),
    runInNode(model),
    runInNode(bytesOf(convBatchNorm(1))),
    runInNode(otherModel),
  ])
})
afterAll(async () => {
  await browser?.close()
  await project?.remove()
})

const compilerOf = ({ output, plugins = [], resolve, ...config }: Configuration = {}, options: Options = {}) =>
  webpack({
    mode: 'development',
    devtool: false,
    context: project.folder,
    entry: './src/app.js',
    infrastructureLogging: { level: 'error' },
    ...config,
    resolve: { alias: { '@models': project.path('models') }, ...resolve },
    output: { path: project.path('dist'), filename: 'main.js', clean: true, ...output },
    plugins: [onnx({ dts: false, runtimes: ['wasm'], ...options }), ...plugins],
  })

const run = async (config?: Configuration, options?: Options): Promise<Stats> => {
  const compiler = compilerOf(config, options)
  const stats = await new Promise<Stats>((resolve, reject) =>
    compiler.run((error, stats) => (stats ? resolve(stats) : reject(error))),
  )
  await new Promise((resolve) => compiler.close(resolve))
  return stats
}

const build = async (config?: Configuration, options?: Options): Promise<Stats> => {
  const stats = await run(config, options)
  expect(stats.toJson({ errors: true }).errors).toEqual([])
  await project.write({ 'dist/index.html': htmlWith('main.js', 'text/javascript') })
  return stats
}

const builtModels = async () => (await project.list('dist')).filter((file) => file.endsWith('.onnx'))

describe('a webpack build', () => {
  it('runs the fused model on WebGPU and on wasm, as Node does', async () => {
    await build({ mode: 'production', optimization: { minimize: false } }, { runtimes: ['jspi', 'webgpu', 'wasm'] })
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
  })

  it.each([
    { publicPath: 'auto', base: '/any/where/' },
    { publicPath: '/sub/', base: '/sub/' },
    { publicPath: '', base: '/any/where/' },
  ])('finds the model under publicPath "$publicPath"', async ({ publicPath, base }) => {
    await build({ output: { publicPath } })
    await onBuiltPage(
      browser,
      project.path('dist'),
      async (page, server) => {
        const { y, url } = await runModel(page, 'fused', 'wasm')
        expectClose(y, expected)
        expect(url).toMatch(server.url)
        expectClose((await runModel(page, 'external', 'wasm')).y, expectedExternal)
      },
      { serving: { base } },
    )
  })

  it('finds the model on a CDN given by publicPath', async () => {
    const cdn = await serve(project.path('dist'), { cors: true })
    await build({ output: { publicPath: cdn.url } })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      const { y, url } = await runModel(page, 'fused', 'wasm')
      expect(url).toMatch(cdn.url)
      expectClose(y, expected)
    })
    await cdn.close()
  })

  it.each([
    { template: undefined, name: /^[\da-f]{20}\.onnx$/ },
    { template: 'm/[name].[contenthash:8][ext]', name: /^m\/net\.([\da-f]{8})\.\1\.onnx$/ },
    {
      template: ({ filename = '' }) => (filename.endsWith('.wasm') ? '[hash].wasm' : '[path][hash:6][ext][query]'),
      name: /^src\/[\da-f]{6}\.onnx$/,
    },
    { template: 'flat/[name][ext]', name: /^flat\/net\.[\da-f]{8}\.onnx$/ },
    { template: () => 'fn/[name]-[contenthash][ext]', name: /^fn\/net\.[\da-f]{8}-[\da-f]{20}\.onnx$/ },
  ])('names the model by assetModuleFilename $template', async ({ template, name }) => {
    await build({ output: { ...(template && { assetModuleFilename: template }) } })
    const models = await builtModels()
    expect(models).toHaveLength(3)
    expect(models.filter((file) => name.test(file)).length).toBeGreaterThanOrEqual(2)
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
      expectClose((await runModel(page, 'original', 'wasm')).y, expected)
    })
  })

  it.each([
    { rule: 'asset/resource', rules: [{ test: /\.onnx$/, type: 'asset/resource' }] },
    { rule: 'asset/source', rules: [{ test: /\.onnx$/, type: 'asset/source' }] },
    { rule: 'a loader', rules: [{ test: /\.onnx$/, enforce: 'pre' as const, use: ['no-such-loader'] }] },
  ])('is not disturbed by a rule of the user for .onnx files: $rule', async ({ rules }) => {
    await build({ module: { rules } })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })

  it("leaves the user's rule for .onnx files to imports without a query", async () => {
    await project.write({
      'src/plain.js':
        "import url from './net.onnx'\nimport { bytes } from './net.onnx?fused'\nglobalThis.url = url\nglobalThis.bytes = bytes\n",
    })
    await build({
      entry: './src/plain.js',
      module: { rules: [{ test: /\.onnx$/, type: 'asset/resource', generator: { filename: 'plain.onnx' } }] },
    })
    expect(await project.list('dist')).toContain('plain.onnx')
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expect(await page.evaluate('url')).toMatch(/plain\.onnx$/)
      expect(await page.evaluate('bytes')).toBeGreaterThan(1000)
    })
  })

  it('emits the model again when its module comes from the filesystem cache', async () => {
    const cache = { type: 'filesystem' as const, cacheDirectory: project.path('webpack-cache') }
    await build({ cache })
    const first = await builtModels()
    expect(first).toHaveLength(3)
    const second = await build({ cache })
    expect(await builtModels()).toEqual(first)
    const { modules, builtModules } = second.compilation
    const imported = [...modules].filter((module) => module.identifier().includes('net.onnx?fused'))
    expect(imported.map((module) => builtModules.has(module))).toEqual([false])
  })

  it('lists the model as an auxiliary file of its chunk', async () => {
    const stats = await build()
    const [chunk] = stats.toJson({ all: false, chunks: true }).chunks ?? []
    expect(chunk?.auxiliaryFiles).toEqual(expect.arrayContaining(await builtModels()))
  })

  it('runs a model in a worker', async () => {
    await build({ entry: './src/worker-page.js' })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
  })

  it('drops a model that is not used', async () => {
    await project.write({ 'src/unused.js': "import model from './net.onnx?fused'\nconsole.log('without')\n" })
    await build({ mode: 'production', entry: './src/unused.js' })
    expect(await project.read('dist/main.js')).not.toContain('executionProviders')
  })

  it('takes a model from a folder that has no packages', async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'else where é-'))
    await writeFile(path.join(elsewhere, 'net.onnx'), model)
    await project.write({ 'src/far.js': app({ far: '@far/net.onnx?fused' }) })
    await build({ entry: './src/far.js', resolve: { alias: { '@far': elsewhere } } })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'far', 'wasm')).y, expected)
    })
    await rm(elsewhere, { recursive: true })
  })

  it('gives a server a file URL that Node can load', async () => {
    await build({ target: 'node', output: { filename: 'main.cjs' } })
    const { executionProvider, y, url } = await runInNodeProcess(project, 'dist/main.cjs')
    expect(executionProvider).toBe('wasm')
    expect(url).toMatch(/^file:\/\/.*\/dist\/.*\.onnx$/)
    expectClose(y, expected)
  })

  it('builds in a folder of an odd name', async () => {
    const files = { 'src/app.js': app({ fused: './net.onnx?fused' }), 'src/net.onnx': model }
    const odd = await createProject({ ...files, 'dist/index.html': htmlWith('main.js', 'text/javascript') }, 'odd #1 é')
    const stats = await run({ context: odd.folder, output: { path: odd.path('dist'), clean: false } })
    expect(stats.toJson({ errors: true }).errors).toEqual([])
    await onBuiltPage(browser, odd.path('dist'), async (page) => {
      expectClose((await runModel(page, 'fused', 'wasm')).y, expected)
    })
    await odd.remove()
  })

  it('names the importing file and line of a model that is wrong or missing', async () => {
    await project.write({
      'src/wrong.js':
        "\nimport './pointer.onnx?fused'\nimport './missing.onnx?fused'\nimport './net.onnx?fused&skp=a'\n",
      'src/pointer.onnx': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    })
    const stats = await run({ entry: './src/wrong.js' })
    const text = stats.toString({ all: false, errors: true, moduleTrace: true, colors: false })
    expect(text).toMatch(/src\/pointer\.onnx: This is a Git-LFS pointer.*git lfs pull/s)
    expect(text).toMatch(/unknown query key "skp"\. Did you mean "skip"\?/)
    expect(text).toMatch(/@ \.\/src\/wrong\.js 2:0-29/)
    expect(text).toMatch(/Can't resolve '\.\/missing\.onnx\?fused'/)
  })
})

describe('webpack --watch', () => {
  it('builds the edited model and keeps the others, with output.clean', async () => {
    await project.write({
      ...sources,
      'src/watched.js': `${app({ fused: './net.onnx?fused', external: '@models/big.onnx?fused' })}`,
    })
    const compiler = compilerOf({ entry: './src/watched.js' })
    const builds = new WatchedBuilds<Stats>()
    compiler.hooks.watchRun.tap('test', () => builds.started())
    const watching = compiler.watch({ aggregateTimeout: 20 }, (_, stats) => {
      if (stats) builds.ended(stats)
    })
    const nextBuild = async (files: Parameters<Project['write']>[0]) => {
      const stats = await builds.after(() => project.write(files))
      await project.write({ 'dist/index.html': htmlWith('main.js', 'text/javascript') })
      return stats
    }
    const results = () =>
      onBuiltPage(browser, project.path('dist'), async (page) => [
        (await runModel(page, 'fused', 'wasm')).y,
        (await runModel(page, 'external', 'wasm')).y,
      ])
    const expectResults = async (fused: number[], external: number[]) => {
      const [a = [], b = []] = await results()
      expectClose(a, fused)
      expectClose(b, external)
    }
    await nextBuild({})
    await expectResults(expected, expectedExternal)
    // An edit of something else: the assets must not be swept away.
    await nextBuild({ 'src/watched.js': `${sources['src/app.js']}\nconsole.log(1)\n` })
    await expectResults(expected, expectedExternal)
    await nextBuild({ 'src/net.onnx': otherModel })
    await expectResults(expectedOther, expectedExternal)
    // The weights alone.
    await nextBuild({ 'models/weights.bin': withExternalData(convBatchNorm(2), 'weights.bin').data })
    await expectResults(expectedOther, expectedOther)
    // A broken model is an error of that build only.
    expect((await nextBuild({ 'src/net.onnx': 'nonsense' })).hasErrors()).toBe(true)
    expect((await nextBuild({ 'src/net.onnx': model })).hasErrors()).toBe(false)
    await expectResults(expected, expectedOther)
    await new Promise((resolve) => watching?.close(resolve))
  })
})
