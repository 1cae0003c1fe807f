import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { buildModel, concatenate, decode, encode, tensorType } from 'unplugin-onnx'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import webpack from 'webpack'
import { createProject, type Project } from './bundlers/project.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const readme = await readFile(path.join(repository, 'README.md'), 'utf8')
const run = (file: string, args: readonly string[], cwd: string) =>
  promisify(execFile)(process.execPath, [path.join(repository, file), ...args], { cwd })

interface Block {
  readonly language: string
  readonly code: string
  /** The file that its first line names. */
  readonly file: string | undefined
}

const blocks: readonly Block[] = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(
  ([, language = '', code = '']) => ({
    language,
    code,
    file: /^\/\/ (\S+)$/m.exec(code.split('\n')[0] ?? '')?.[1],
  }),
)
const codeOf = (file: string): string[] => blocks.filter((block) => block.file === file).map(({ code }) => code)
const theCodeOf = (file: string): string => {
  const [code, ...more] = codeOf(file)
  if (code === undefined || more.length > 0) throw new RangeError(`The README has ${more.length} more of ${file}.`)
  return code
}
const commands = blocks.filter(({ language }) => language === 'sh').flatMap(({ code }) => code.trim().split('\n'))

/** The model of the README: images of 64 by 64 pixels to logits, with a convolution and a batch norm. */
const net = buildModel((graph) => {
  const image = graph.input('image', 'float32', ['batch', 3, 64, 64])
  const weight = graph.constant(
    Array.from({ length: 4 * 3 * 9 }, (_, index) => Math.sin(index)),
    { dims: [4, 3, 3, 3] },
  )
  const conv = graph.op('Conv', [image, weight], { pads: [1, 1, 1, 1] })
  const normed = graph.op('BatchNormalization', [conv, [1, 2, 3, 4], [0, 1, 0, 1], [1, 0, 1, 0], [1, 2, 1, 2]])
  const logits = graph.op('Flatten', [graph.op('GlobalAveragePool', [normed])])
  logits.type = tensorType('float32', ['batch', 4])
  graph.output('logits', logits)
})

let project: Project
beforeAll(async () => {
  const bytes = concatenate(encode(net).chunks)
  project = await createProject({
    'net.onnx': bytes,
    'models/nested/net.onnx': bytes,
    'src/net.onnx': bytes,
    'src/app.ts': theCodeOf('src/app.ts'),
    'src/app.js': theCodeOf('src/app.ts'),
    'src/loader.ts': theCodeOf('src/loader.ts'),
    'index.html':
      '<script type="module" src="/src/app.ts"></script><script type="module" src="/src/loader.ts"></script>',
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        target: 'es2022',
        module: 'esnext',
        moduleResolution: 'bundler',
        lib: ['es2023', 'dom'],
        types: [],
        strict: true,
        noEmit: true,
      },
      include: ['src/*.ts', 'onnx-models.d.ts'],
    }),
  })
})
afterAll(() => project.remove())

const fusedModels = async (folder: string): Promise<number> => {
  const files = (await project.list(folder)).filter((file) => file.endsWith('.onnx'))
  for (const file of files) {
    const { graph } = decode(await readFile(project.path(`${folder}/${file}`)))
    expect(Array.from(graph.nodes, ({ op }) => op)).not.toContain('BatchNormalization')
  }
  return files.length
}

describe('the examples for Vite', () => {
  it.each(codeOf('vite.config.js'))('build with the configuration %#', async (config) => {
    await project.write({ 'vite.config.js': config })
    await build({ root: project.folder, logLevel: 'error', build: { target: 'esnext', outDir: 'vite' } })
    expect(await fusedModels('vite')).toBe(1)
  })

  it('compile with the types that the plugin writes, and a wrong input does not', async () => {
    const tsc = 'node_modules/typescript/bin/tsc'
    await run(tsc, ['-p', 'tsconfig.json'], project.folder)
    await project.write({ 'src/wrong.ts': theCodeOf('src/app.ts').replace('{ image:', '{ picture:') })
    await expect(run(tsc, ['-p', 'tsconfig.json'], project.folder)).rejects.toMatchObject({
      stdout: expect.stringMatching(/wrong\.ts.*'picture'/),
    })
  })
})

it('the example for Rollup builds', async () => {
  await project.write({ 'rollup.config.js': theCodeOf('rollup.config.js') })
  await run('node_modules/rollup/dist/bin/rollup', ['--config', '--silent'], project.folder)
  expect(await fusedModels('dist')).toBe(1)
})

it('the example for webpack builds', async () => {
  await project.write({ 'webpack.config.mjs': theCodeOf('webpack.config.js') })
  const { default: config } = await import(pathToFileURL(project.path('webpack.config.mjs')).href)
  const compiler = webpack({
    ...config,
    context: project.folder,
    mode: 'production',
    output: { path: project.path('webpack') },
  })
  const stats = await promisify(compiler.run.bind(compiler))()
  await promisify(compiler.close.bind(compiler))()
  expect(stats?.toJson({ all: false, errors: true }).errors).toEqual([])
  expect(await fusedModels('webpack')).toBe(1)
})

describe('the examples for the library', () => {
  it('fuse a model from file to file', async () => {
    await project.write({ 'fuse-model.js': theCodeOf('fuse-model.js') })
    const { stdout } = await promisify(execFile)(process.execPath, ['fuse-model.js'], { cwd: project.folder })
    expect(stdout).toContain("'conv-batch-norm': 1")
    expect(decode(await readFile(project.path('net.fused.onnx'))).graph.nodes).toHaveLength(3)
  })

  it('apply a fusion of the reader’s own', async () => {
    await project.write({ 'own.js': theCodeOf('square-root-of-square.js') })
    const { stdout } = await promisify(execFile)(process.execPath, ['own.js'], { cwd: project.folder })
    expect(stdout).toContain("'square-root-of-square': 1")
  })
})

describe('the commands', () => {
  const cli = commands.filter((command) => command.startsWith('npx unplugin-onnx '))
  const npm = commands.filter((command) => command.startsWith('npm '))

  it.each(cli)('%s', async (command) => {
    const { stdout } = await run('dist/cli/main.js', command.split(' ').slice(2), project.folder)
    expect(stdout).toMatch(/BatchNormalization|conv-batch-norm/)
  })

  it.each(npm)('%s', async (command) => {
    const { scripts } = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8'))
    for (const [, script = ''] of command.matchAll(/npm run (\S+)|npm (?=test)/g)) {
      expect(Object.keys(scripts)).toContain(script || 'test')
    }
  })

  it('are all there is in the blocks for a shell', () => {
    expect([...cli, ...npm].sort()).toEqual([...commands].sort())
    expect(cli.length).toBeGreaterThan(3)
  })
})

it('tests every block of code', () => {
  const tested = [
    'vite.config.js',
    'rollup.config.js',
    'webpack.config.js',
    'src/app.ts',
    'src/loader.ts',
    'fuse-model.js',
    'square-root-of-square.js',
  ]
  const code = blocks.filter(({ language }) => language !== 'sh' && language !== '')
  expect([...new Set(code.map(({ file }) => file))].sort()).toEqual(tested.sort())
})

it.each(['README.md', 'CONTRIBUTING.md', 'bench/README.md'])('the links in %s lead somewhere', async (document) => {
  const folder = path.dirname(path.join(repository, document))
  const text = await readFile(path.join(repository, document), 'utf8')
  for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
    expect(existsSync(path.join(folder, target)), target).toBe(true)
  }
})
