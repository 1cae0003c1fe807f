// Builds dist/: tsc for our sources, a copy for the generated protobuf module (plain JavaScript).
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
rmSync('dist', { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
mkdirSync('dist/graph/proto', { recursive: true })
for (const file of ['onnx.js', 'onnx.d.ts']) copyFileSync(`src/graph/proto/${file}`, `dist/graph/proto/${file}`)
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)
