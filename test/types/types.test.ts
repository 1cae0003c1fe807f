import { spawnSync } from 'node:child_process'
import { rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { rollup } from 'rollup'
import { buildModel, type Model, tensorType } from 'unplugin-onnx'
import onnxRollup from 'unplugin-onnx/rollup'
import onnx, { type Options } from 'unplugin-onnx/vite'
import onnxWebpack from 'unplugin-onnx/webpack'
import { build, createLogger } from 'vite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import webpack from 'webpack'
import { bytesOf } from '../bundlers/models.ts'
import { createProject, type Project } from '../bundlers/project.ts'

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

const negation = (input: string, output: string): Model =>
  buildModel((g) => {
    const x = g.input(input, 'float32', ['batch', 4])
    const types = [tensorType('float32', ['batch', 4])]
    g.output(output, g.op('Neg', [g.op('Identity', [x])], {}, { types }))
  })

/** The interface of `negation('x', 'y')`, and other nodes. */
const withOtherWeights = (): Model =>
  buildModel((g) => {
    g.output(
      'y',
      g.op('Abs', [g.input('x', 'float32', ['batch', 4])], {}, { types: [tensorType('float32', ['batch', 4])] }),
    )
  })

const mixed = (): Model =>
  buildModel((g) => {
    const ids = g.input('input ids', 'int64', ['batch', 'length'])
    const mask = { types: [tensorType('bool', ['batch', 'length'])] }
    g.output('mask', g.op('Not', [g.op('Cast', [g.op('Identity', [ids])], { to: 9 })], {}, mask))
    g.output(
      'half',
      g.op('Cast', [g.input('pixels', 'uint8', [3])], { to: 10 }, { types: [tensorType('float16', [3])] }),
    )
  })

const tsconfig = (module: 'esnext' | 'nodenext') =>
  JSON.stringify({
    compilerOptions: {
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      target: 'es2022',
      module,
      moduleResolution: module === 'esnext' ? 'bundler' : 'nodenext',
      lib: ['es2023', 'dom'],
      types: [],
      skipLibCheck: false,
    },
    include: ['src', 'onnx-models.d.ts'],
  })

/** Right uses, and wrong ones, each of which has to be an error. */
const consumer = `
import model, { bytes, inputs, load, report, url } from './net.onnx?fused'
import mixed from './mixed.onnx?fused&verify=false'
import type { OnnxLoadError } from 'unplugin-onnx/runtime'
import { Tensor } from 'onnxruntime-web'

export const text: string = url
export const size: number = bytes + report.nodes.after + (report.fusions['identity'] ?? 0)
export const names: readonly string[] = inputs.map(({ name }) => name)

const session = await model.load({ executionProviders: ['webgpu'], onProgress: ({ loaded, total }) => console.log(loaded / total) })
const results = await session.run({ x: new Float32Array(4) })
export const y: Float32Array = results.y.data
await session.run({ x: { data: new Float32Array(8), dims: [2, 4] } })
await session.run({ x: new Tensor('float32', new Float32Array(4), [1, 4]) })
const sameSession: typeof session = await load()
await sameSession.dispose()

const other = await (await mixed.load()).run({ 'input ids': new BigInt64Array(2), pixels: new Uint8Array(3) })
export const mask: Uint8Array = other.mask.data

// @ts-expect-error a wrong input name
await session.run({ image: new Float32Array(4) })
// @ts-expect-error a missing input
await session.run({})
// @ts-expect-error a wrong element type
await session.run({ x: new Int32Array(4) })
// @ts-expect-error a tensor of a wrong element type
await session.run({ x: new Tensor('int32', new Int32Array(4), [1, 4]) })
// @ts-expect-error a wrong output name
export const z = results.z
// @ts-expect-error a wrong type of an output
export const wrong: BigInt64Array = results.y.data
// @ts-expect-error int64 is no number
await (await mixed.load()).run({ 'input ids': [1, 2], pixels: new Uint8Array(3) })
// @ts-expect-error an execution provider that is none
await model.load({ executionProviders: ['cuda'] })
// @ts-expect-error the report has no such count
export const count: number = report.nodes.during
export type { OnnxLoadError }
`

let project: Project
beforeEach(async () => {
  project = await createProject(
    {
      'src/app.ts': consumer,
      'src/net.onnx': bytesOf(negation('x', 'y')),
      'src/mixed.onnx': bytesOf(mixed()),
    },
    'types',
  )
})
afterEach(() => project.remove())

const typecheck = async (module: 'esnext' | 'nodenext' = 'esnext'): Promise<string> => {
  await project.write({ 'tsconfig.json': tsconfig(module) })
  return spawnSync(process.execPath, [tsc, '-p', project.folder], { encoding: 'utf8' }).stdout
}

const viteBuild = async (entry = 'src/app.ts', options: Options = {}): Promise<string[]> => {
  const warnings: string[] = []
  const logger = createLogger('warn')
  logger.warn = (message) => warnings.push(message)
  await build({
    root: project.folder,
    configFile: false,
    customLogger: logger,
    logLevel: 'warn',
    plugins: [onnx({ runtimes: ['wasm'], verify: false, ...options })],
    build: { write: false, target: 'esnext', minify: false, rolldownOptions: { input: project.path(entry) } },
  })
  return warnings.filter((message) => message.includes('unplugin-onnx'))
}

describe('the declaration file', () => {
  it.each(['esnext', 'nodenext'] as const)('gives each model its type, with module %s', async (module) => {
    expect(await typecheck(module)).toContain('onnx?fused')
    await viteBuild()
    expect(await typecheck(module)).toBe('')
  })

  it('tells models of one name apart by their folders, and names of an alias', async () => {
    const use = (model: string, input: string) =>
      `await (await ${model}.load()).run({ ${input}: new Float32Array(4) })\n`
    await project.write({
      'src/app.ts': `
import a from './a/net.onnx?fused'
import b from './b/net.onnx?fused'
import aliased from '@c/net.onnx?fused'
import './b/app.ts'
${use('a', 'inA')}${use('b', 'inB')}${use('aliased', 'inC')}
// @ts-expect-error the input of another model
${use('a', 'inB')}// @ts-expect-error the input of another model
${use('b', 'inC')}// @ts-expect-error the input of another model
${use('aliased', 'inA')}`,
      'src/b/app.ts': `import b from '../b/net.onnx?fused'\n${use('b', 'inB')}`,
      'src/a/net.onnx': bytesOf(negation('inA', 'y')),
      'src/b/net.onnx': bytesOf(negation('inB', 'y')),
      'src/c/net.onnx': bytesOf(negation('inC', 'y')),
    })
    await build({
      root: project.folder,
      configFile: false,
      logLevel: 'error',
      resolve: { alias: { '@c': project.path('src/c') } },
      plugins: [onnx({ runtimes: ['wasm'], verify: false })],
      build: { write: false, target: 'esnext', rolldownOptions: { input: project.path('src/app.ts') } },
    })
    expect(await typecheck()).toBe('')
  })

  it('warns of an import that means two models, and types it as any model', async () => {
    await project.write({
      'src/app.ts': "import './a/app.ts'\nimport './b/app.ts'\n",
      ...Object.fromEntries(
        ['a', 'b'].flatMap((folder) => [
          [
            `src/${folder}/app.ts`,
            "import net from './net.onnx?fused'\nawait (await net.load()).run({ anything: new Float32Array(4) })\n",
          ],
          [`src/${folder}/net.onnx`, bytesOf(negation(folder, 'y'))],
        ]),
      ),
    })
    expect(await viteBuild()).toEqual([
      expect.stringMatching(
        /"\.\/net\.onnx\?fused" means src\/a\/net\.onnx in one folder and src\/b\/net\.onnx in another/,
      ),
    ])
    expect(await typecheck()).toBe('')
  })

  it('is written only when it changes', async () => {
    await viteBuild()
    const file = project.path('onnx-models.d.ts')
    const text = await project.read('onnx-models.d.ts')
    const { mtimeMs, ino } = await stat(file)
    await viteBuild()
    await project.write({ 'src/net.onnx': bytesOf(withOtherWeights()) })
    await viteBuild()
    const after = await stat(file)
    expect([after.mtimeMs, after.ino]).toEqual([mtimeMs, ino])
    await project.write({ 'src/net.onnx': bytesOf(negation('x', 'z')) })
    await viteBuild()
    expect(await project.read('onnx-models.d.ts')).toBe(text.replaceAll('"y"', '"z"'))
    expect((await project.list('.')).filter((name) => /^onnx-models/.test(name))).toEqual(['onnx-models.d.ts'])
  })

  it('keeps imports that this build did not meet, and drops those that are gone', async () => {
    await project.write({ 'src/other.ts': "import mixed from './mixed.onnx?onnx'\nconsole.log(mixed)\n" })
    const declared = async () =>
      [...(await project.read('onnx-models.d.ts')).matchAll(/^ {2}\/\/ "(.*?)"/gm)].map(([, name]) => name)
    await viteBuild()
    await viteBuild('src/other.ts')
    const all = ['./mixed.onnx?onnx', './net.onnx?fused', './mixed.onnx?fused&verify=false']
    expect((await declared()).sort()).toEqual(all.toSorted())
    // No longer imported by the file that did.
    await project.write({ 'src/other.ts': 'console.log(1)\n' })
    await viteBuild()
    expect(await declared()).not.toContain('./mixed.onnx?onnx')
    // The importing file, or the model, no longer there.
    await project.write({ 'src/third.ts': "import net from './net.onnx?onnx'\nconsole.log(net)\n" })
    await viteBuild('src/third.ts')
    expect(await declared()).toContain('./net.onnx?onnx')
    await rm(project.path('src/third.ts'))
    await rm(project.path('src/mixed.onnx'))
    await project.write({ 'src/app.ts': "import net from './net.onnx?fused'\nconsole.log(net)\n" })
    await viteBuild()
    expect(await declared()).toEqual(['./net.onnx?fused'])
  })

  it('goes where dts says, or nowhere', async () => {
    await viteBuild('src/app.ts', { dts: 'types/models.d.ts' })
    expect(await project.read('types/models.d.ts')).toContain('"*/net.onnx?fused"')
    await rm(project.path('types'), { recursive: true })
    await viteBuild('src/app.ts', { dts: false })
    expect(
      (await project.list('.')).filter((name) => name.endsWith('.d.ts') && !name.includes('node_modules')),
    ).toEqual([])
  })

  it('is the same from Rollup and webpack, from the cache of webpack too', async () => {
    await project.write({
      'src/app.js':
        "export { url } from './net.onnx?fused'\nexport { bytes } from './mixed.onnx?fused&skip=identity'\n",
    })
    await viteBuild('src/app.js')
    const expected = await project.read('onnx-models.d.ts')
    const dts = project.path('onnx-models.d.ts')

    await rm(dts)
    const plugin = onnxRollup({ dts, runtimes: ['wasm'], verify: false, cacheDir: project.path('cache') })
    const bundle = await rollup({ input: project.path('src/app.js'), plugins: [plugin], onLog: () => {} })
    await bundle.close()
    expect(await project.read('onnx-models.d.ts')).toBe(expected)

    for (let run = 0; run < 2; run++) {
      await rm(dts)
      const compiler = webpack({
        mode: 'development',
        context: project.folder,
        entry: './src/app.js',
        output: { path: project.path('dist') },
        cache: { type: 'filesystem', cacheDirectory: project.path('webpack-cache') },
        infrastructureLogging: { level: 'error' },
        plugins: [onnxWebpack({ runtimes: ['wasm'], verify: false })],
      })
      await new Promise((resolve) => compiler.run(resolve))
      await new Promise((resolve) => compiler.close(resolve))
      expect(await project.read('onnx-models.d.ts')).toBe(expected)
    }
  })
})
