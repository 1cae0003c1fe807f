import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { type OutputOptions, type RollupLog, type RollupOptions, rollup, watch } from 'rollup'
import onnx, { type Options } from 'unplugin-onnx/rollup'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from '../browser/launch-browser.ts'
import { app, expectClose, htmlWith, onBuiltPage, runInNodeProcess, runModel } from './app.ts'
import { bytesOf, convBatchNorm, runInNode, withExternalData } from './models.ts'
import { createProject, type Project } from './project.ts'
import { WatchedBuilds } from './watched-builds.ts'

const model = bytesOf(convBatchNorm())
const external = withExternalData(convBatchNorm(1), 'weights.bin')
const sources = {
  'src/app.js': app({ fused: './net.onnx?fused', original: './net.onnx?onnx', external: '@models/big.onnx?fused' }),
  'src/net.onnx': model,
  'models/big.onnx': external.model,
  'models/weights.bin': external.data,
}
let project: Project
let browser: Browser
let expected: number[]
let expectedExternal: number[]
let workingFolder: string

beforeAll(async () => {
  ;[project, browser, expected, expectedExternal] = await Promise.all([
    createProject(sources, 'rollup'),
    launchBrowser(),
    runInNode(model),
    runInNode(bytesOf(convBatchNorm(1))),
  ])
  workingFolder = process.cwd()
})
afterEach(() => project.write(sources))
afterAll(async () => {
  await browser?.close()
  await project?.remove()
})

/** As @rollup/plugin-alias does. */
const alias = () => ({
  name: 'alias',
  resolveId(this: { resolve: (id: string, importer?: string) => Promise<unknown> }, id: string) {
    return id.startsWith('@models/') ? project.path(id.slice(1)) : null
  },
})

const cacheDir = () => project.path('node_modules/.cache/unplugin-onnx')

const config = (options: Options = {}, rollupOptions: RollupOptions = {}): RollupOptions => ({
  input: project.path('src/app.js'),
  onLog: () => {},
  ...rollupOptions,
  plugins: [onnx({ dts: false, runtimes: ['wasm'], cacheDir: cacheDir(), ...options }), alias()],
})

const build = async (options?: Options, rollupOptions?: RollupOptions, output: OutputOptions = {}) => {
  const bundle = await rollup(config(options, rollupOptions))
  const written = await bundle.write({ dir: project.path('dist'), ...output })
  await bundle.close()
  await project.write({ 'dist/index.html': htmlWith('./app.js') })
  return written.output
}

describe('a Rollup build', () => {
  it('runs the fused model on WebGPU and on wasm, as Node does', async () => {
    await build({ runtimes: ['jspi', 'webgpu', 'wasm'] })
    await onBuiltPage(browser, project.path('dist'), async (page, _, dispatches) => {
      const onGpu = await runModel(page, 'fused', 'webgpu')
      expect(onGpu.executionProvider).toBe('webgpu')
      expect(await dispatches()).toBeGreaterThan(0)
      expectClose(onGpu.y, expected)
      expect(onGpu.report.nodes).toEqual({ before: 3, after: 2 })
      const original = await runModel(page, 'original', 'wasm')
      expectClose(original.y, expected)
      expect(original.report.nodes).toEqual({ before: 3, after: 3 })
      expectClose((await runModel(page, 'external', 'webgpu')).y, expectedExternal)
    })
  })

  it('emits the .wasm file of onnxruntime-web, which Rollup does not, once for each build that is shipped', async () => {
    const output = await build({ runtimes: ['jspi', 'wasm'] })
    const wasm = output.map(({ fileName }) => fileName).filter((name) => name.endsWith('.wasm'))
    expect(wasm.map((name) => name.replace(/-[\w-]{8}\.wasm$/, '')).sort()).toEqual([
      'assets/ort-wasm-simd-threaded',
      'assets/ort-wasm-simd-threaded.jspi',
    ])
    await onBuiltPage(
      browser,
      project.path('dist'),
      async (page) => expectClose((await runModel(page, 'fused', 'wasm')).y, expected),
      { serving: { base: '/any/where/' } },
    )
  })

  it.each(['es', 'cjs'] as const)('gives a server a file URL that Node can load, as %s', async (format) => {
    const extension = format === 'es' ? 'mjs' : 'cjs'
    await build({}, {}, { format, entryFileNames: `[name].${extension}`, chunkFileNames: `[name].${extension}` })
    const { executionProvider, y, url } = await runInNodeProcess(project, `dist/app.${extension}`)
    expect(executionProvider).toBe('wasm')
    expect(url).toMatch(/^file:\/\/.*\/dist\/assets\/.*\.onnx$/)
    expectClose(y, expected)
  })

  it('leaves onnxruntime-web alone when the user makes it external', async () => {
    const output = await build({}, { external: [/^onnxruntime-web/] })
    expect(output.filter(({ fileName }) => fileName.endsWith('.wasm'))).toEqual([])
    const [chunk] = output.filter((item) => item.type === 'chunk')
    expect(chunk?.dynamicImports).toContain('onnxruntime-web/wasm')
  })

  it('keeps the variants of a model apart in two outputs whose file names hold no hash', async () => {
    const bundle = await rollup(config())
    const references = []
    for (const format of ['es', 'system'] as const) {
      const { output } = await bundle.generate({ format, assetFileNames: 'flat/[name][extname]' })
      const models = output.filter(({ fileName }) => fileName.endsWith('.onnx'))
      expect(new Set(models.map(({ fileName }) => fileName)).size).toBe(3)
      const code = output.map((item) => (item.type === 'chunk' ? item.code : '')).join('')
      references.push([...new Set(code.match(/flat\/[\w.]+\.onnx/g))].sort())
    }
    await bundle.close()
    expect(references[1]).toEqual(references[0])
    expect(references[0]).toHaveLength(3)
  })

  it('compiles a model that many modules import once', async () => {
    const logs: RollupLog[] = []
    const names = Array.from({ length: 8 }, (_, index) => `src/many/${index}.js`)
    await project.write({
      ...Object.fromEntries(names.map((name) => [name, "import { url } from '../net.onnx?fused'\nconsole.log(url)\n"])),
      'src/many.js': names.map((name) => `import '.${name.slice(3)}'\n`).join(''),
    })
    await build({}, { input: project.path('src/many.js'), onLog: (_, log) => logs.push(log) })
    const lines = logs.map(({ message }) => message).filter((message) => message.includes('net.onnx?fused'))
    expect(lines).toEqual([
      expect.stringMatching(/3 → 2 nodes · .*conv-batch-norm ×1 · verified, largest error .* absolute, .* relative · /),
    ])
  })

  it('drops a model that is not used', async () => {
    await project.write({ 'src/unused.js': "import model from './net.onnx?fused'\nconsole.log('without')\n" })
    const [chunk] = await build({}, { input: project.path('src/unused.js') })
    expect(chunk.code.trim()).toBe("console.log('without');")
  })

  it.each([
    ['./pointer.onnx?fused', 'git-lfs-pointer', /src[\\/]pointer\.onnx: This is a Git-LFS pointer/],
    ['./missing.onnx?fused', 'model-not-found', /missing\.onnx: There is no such model file/],
    ['./net.onnx?fused&skp=a', 'unknown-query-key', /unknown query key "skp"\. Did you mean "skip"\?/],
    [
      './net.onnx?fused&skip=conv-batchnorm',
      'unknown-fusion',
      /no fusion "conv-batchnorm".*Did you mean "conv-batch-norm"/,
    ],
    ['./orphan.onnx?fused', 'external-data-missing', /orphan\.onnx: The model keeps weights in "lost\.bin"/],
  ])('names file, line and what is wrong for %s', async (specifier, code, message) => {
    const orphan = withExternalData(convBatchNorm(), 'lost.bin')
    await project.write({
      'src/wrong.js': `// one\nconst a = 1\nimport model from '${specifier}'\nconsole.log(a, model)\n`,
      'src/pointer.onnx': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
      'src/orphan.onnx': orphan.model,
    })
    const failure = rollup(config({}, { input: project.path('src/wrong.js') }))
    await expect(failure).rejects.toMatchObject({
      message: expect.stringMatching(message),
      pluginCode: code,
      loc: { file: project.path('src/wrong.js'), line: 3, column: 18 },
      frame: expect.stringContaining(`3 | import model from '${specifier}'`),
    })
    await expect(failure).rejects.toThrow(/imported by .*src\/wrong\.js:3:19/)
  })

  it('takes a model from a folder that has no packages and an odd name', async () => {
    const elsewhere = await mkdtemp(path.join(tmpdir(), 'else where #1 é-'))
    await writeFile(path.join(elsewhere, 'net.onnx'), model)
    await project.write({ 'src/far.js': app({ far: `${elsewhere}/net.onnx?fused` }) })
    await build({}, { input: project.path('src/far.js') })
    await project.write({ 'dist/index.html': htmlWith('./far.js') })
    await onBuiltPage(browser, project.path('dist'), async (page) => {
      expectClose((await runModel(page, 'far', 'wasm')).y, expected)
    })
    await rm(elsewhere, { recursive: true })
  })

  it('leaves nothing in the cache when a model fails', async () => {
    await project.write({ 'src/net.onnx': 'nonsense' })
    await expect(rollup(config({ cacheDir: project.path('empty-cache') }))).rejects.toThrow('not an ONNX model')
    await expect(project.list('empty-cache')).rejects.toThrow('ENOENT')
    expect(process.cwd()).toBe(workingFolder)
  })
})

describe('rollup --watch', () => {
  it('builds the edited model, also when only its weights change, and emits what did not change again', async () => {
    const watcher = watch({ ...config(), output: { dir: project.path('dist') }, watch: { buildDelay: 20 } })
    const builds = new WatchedBuilds<'failed' | 'built'>()
    let failed = false
    watcher.on('event', (event) => {
      if ('result' in event) event.result?.close()
      if (event.code === 'START') {
        failed = false
        builds.started()
      }
      if (event.code === 'ERROR') failed = true
      if (event.code === 'END') builds.ended(failed ? 'failed' : 'built')
    })
    const next = (files: Parameters<Project['write']>[0]) => builds.after(() => project.write(files))
    const expectResults = async (fused: number[], external: number[]) => {
      await project.write({ 'dist/index.html': htmlWith('./app.js') })
      await onBuiltPage(browser, project.path('dist'), async (page) => {
        expectClose((await runModel(page, 'fused', 'wasm')).y, fused)
        expectClose((await runModel(page, 'external', 'wasm')).y, external)
      })
    }
    await next({})
    const otherModel = bytesOf(convBatchNorm(2))
    const expectedOther = await runInNode(otherModel)
    await next({ 'src/net.onnx': otherModel })
    await expectResults(expectedOther, expectedExternal)
    await next({ 'models/weights.bin': withExternalData(convBatchNorm(2), 'weights.bin').data })
    await expectResults(expectedOther, expectedOther)
    expect(await next({ 'src/net.onnx': 'nonsense' })).toBe('failed')
    expect(await next({ 'src/net.onnx': model })).toBe('built')
    await expectResults(expected, expectedOther)
    await watcher.close()
  })
})
