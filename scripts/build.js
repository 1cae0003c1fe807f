// Builds dist/: tsc for our sources, a copy for the generated protobuf module (plain JavaScript), then one file for the core. The core is
// some two hundred small modules, which Node would open one by one each time a bundler or the command line starts.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { rollup } from 'rollup'

/** What the other rooms, and scripts, import of the core. */
const coreEntries = [
  'graph/index',
  'graph/shapes/index',
  'graph/proto/onnx',
  'fusion/index',
  'fusion/target',
  'nearest-name',
]

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
mkdirSync('dist/graph/proto', { recursive: true })
for (const file of ['onnx.js', 'onnx.d.ts']) copyFileSync(`src/graph/proto/${file}`, `dist/graph/proto/${file}`)

const bundle = await rollup({
  input: Object.fromEntries(coreEntries.map((name) => [name, `dist/${name}.js`])),
  external: [/^protobufjs/, /^long$/],
})
for (const room of ['graph', 'fusion']) {
  for (const name of readdirSync(`dist/${room}`, { recursive: true })) {
    if (name.endsWith('.js')) rmSync(join('dist', room, name))
  }
}
await bundle.write({ dir: 'dist', chunkFileNames: 'graph/core-[hash].js', hoistTransitiveImports: false })
await bundle.close()
chmodSync('dist/cli/main.js', 0o755)
