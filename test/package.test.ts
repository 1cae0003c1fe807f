import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildModel, concatenate, decode, encode } from 'unplugin-onnx'
import { afterAll, beforeAll, expect, it } from 'vitest'

const repository = fileURLToPath(new URL('..', import.meta.url))
const exec = promisify(execFile)
const npm = (args: readonly string[], cwd: string) => exec('npm', [...args], { cwd, env })
const env = {
  // Run as an npm script itself, this test would lead the npm within back to the repository.
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'npm_config_local_prefix')),
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}
const bin = (name: string) => path.join(repository, 'node_modules/.bin', name)

let work: string
let tarball: string
let packed: readonly string[]
let manifest: { version: string; devDependencies: Record<string, string>; exports: Record<string, unknown> }

beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'unplugin-onnx-package-'))
  manifest = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8'))
  const { stdout } = await npm(['pack', '--json', '--pack-destination', work], repository)
  const [{ filename, files }]: [{ filename: string; files: { path: string }[] }] = JSON.parse(stdout)
  tarball = path.join(work, filename)
  packed = files.map((file) => file.path)
})
afterAll(() => rm(work, { recursive: true, force: true }))

it('packs what runs, its types and its documents, and neither sources nor tests', () => {
  expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'dist/cli/main.js']))
  expect(packed.filter((file) => !/^(dist\/.*|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file))).toEqual([])
  expect(packed.filter((file) => /\.test\.|(?<!\.d)\.ts$|\.onnx$/.test(file))).toEqual([])
})

it('satisfies publint', async () => {
  const { stdout } = await exec(bin('publint'), [tarball, '--strict'])
  expect(stdout).toContain('All good!')
})

it('has types that every ESM resolution finds', async () => {
  await exec(bin('attw'), [tarball, '--profile', 'esm-only'])
})

it('installs in a project, which builds with it, has its types, and finds its command', async () => {
  const project = path.join(work, 'project')
  const file = (name: string) => path.join(project, name)
  const { vite, typescript, 'onnxruntime-web': onnxruntime } = manifest.devDependencies
  const model = buildModel((graph) => {
    const x = graph.input('x', 'float32', ['batch', 1, 4, 4])
    const conv = graph.op('Conv', [x, graph.constant([2], { dims: [1, 1, 1, 1] })])
    graph.output('y', graph.op('BatchNormalization', [conv, [1], [0], [0], [1]]))
  })
  const files: Record<string, string | Uint8Array> = {
    'package.json': JSON.stringify({
      name: 'project',
      private: true,
      type: 'module',
      dependencies: { 'onnxruntime-web': onnxruntime },
      devDependencies: { 'unplugin-onnx': `file:${tarball}`, typescript, vite },
    }),
    'net.onnx': concatenate(encode(model).chunks),
    'index.html': '<script type="module" src="/app.ts"></script>',
    'app.ts': `import model from './net.onnx?fused'\nconsole.log((await (await model.load()).run({ x: new Float32Array(16) })).y)`,
    'vite.config.ts': `import onnx from 'unplugin-onnx/vite'\nexport default { plugins: [onnx()], build: { target: 'esnext' } }`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2022',
        module: 'esnext',
        moduleResolution: 'bundler',
        lib: ['es2023', 'dom'],
        types: [],
      },
      include: ['*.ts'],
    }),
  }
  await mkdir(project)
  for (const [name, content] of Object.entries(files)) await writeFile(file(name), content)

  await npm(['install', '--prefer-offline'], project)
  expect((await npm(['exec', '--', 'unplugin-onnx', '--version'], project)).stdout.trim()).toBe(manifest.version)

  const { stdout } = await npm(['exec', '--', 'vite', 'build'], project)
  expect(stdout).toMatch(/net\.onnx\?fused: 2 → 1 nodes .* verified/)
  const assets = await readdir(file('dist/assets'))
  const asset = assets.find((name) => name.endsWith('.onnx')) ?? ''
  expect(Array.from(decode(await readFile(file(`dist/assets/${asset}`))).graph.nodes, ({ op }) => op)).toEqual(['Conv'])
  await npm(['exec', '--', 'tsc'], project)

  await npm(['exec', '--', 'unplugin-onnx', 'fuse', 'net.onnx', '-o', 'fused.onnx'], project)
  expect(await readFile(file('fused.onnx'))).toEqual(await readFile(file(`dist/assets/${asset}`)))

  for (const entry of Object.keys(manifest.exports).filter((name) => name !== './package.json')) {
    const specifier = `unplugin-onnx${entry.slice(1)}`
    await exec(process.execPath, ['--input-type=module', '--eval', `await import('${specifier}')`], { cwd: project })
  }
})
