// Builds dist/: tsc for our sources, a copy for the generated protobuf module (plain JavaScript), then one file for the core and few for the
// command line, with protobufjs in it. They are some three hundred small modules, which Node would find, open and parse one by one each time
// a bundler or the command line starts.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** What the other rooms, and scripts, import of the core. */
const coreEntries = [
  'graph/index',
  'graph/shapes/index',
  'graph/proto/onnx',
  'fusion/index',
  'fusion/qdq',
  'fusion/target',
  'nearest-name',
]

/** Packages that become part of the core. They stay dependencies, for the types of `onnx.d.ts`. */
const bundled = ['protobufjs', 'long']

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
mkdirSync('dist/graph/proto', { recursive: true })
for (const file of ['onnx.js', 'onnx.d.ts']) copyFileSync(`src/graph/proto/${file}`, `dist/graph/proto/${file}`)

const bundle = await rolldown({
  input: Object.fromEntries([...coreEntries, 'cli/main'].map((name) => [name, `dist/${name}.js`])),
  platform: 'node',
})
const { output } = await bundle.generate({
  chunkFileNames: ({ moduleIds }) =>
    moduleIds.some((id) => /[\\/]dist[\\/](cli|plugin)[\\/]/.test(id))
      ? 'cli/[name]-[hash].js'
      : 'graph/[name]-[hash].js',
  minify: true,
})
await bundle.close()
for (const room of ['graph', 'fusion', 'cli']) {
  for (const name of readdirSync(`dist/${room}`, { recursive: true })) {
    if (name.endsWith('.js')) rmSync(join('dist', room, name))
  }
}
for (const chunk of output) writeFileSync(join('dist', chunk.fileName), chunk.code)
chmodSync('dist/cli/main.js', 0o755)
writeFileSync(
  'dist/THIRD-PARTY.txt',
  bundled.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`).join('\n\n'),
)
