// Generates src/graph/proto/onnx.{js,d.ts} from onnx-ml.proto (see src/graph/proto/README.md for its version and licence).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const folder = 'src/graph/proto'
const options = '--es6 --no-create --no-verify --no-convert --no-delimited --no-service --no-typeurl'.split(' ')
const run = (tool, args) =>
  execFileSync(process.execPath, [require.resolve(`protobufjs-cli/bin/${tool}`), ...args], { stdio: 'inherit' })
const generate = (output, ...more) =>
  run('pbjs', [
    '-t',
    'static-module',
    '-w',
    'esm',
    '-r',
    'unplugin-onnx',
    ...options,
    ...more,
    '-o',
    output,
    `${folder}/onnx-ml.proto`,
  ])

// The types are read from the comments; what ships has none.
const commented = join(mkdtempSync(join(tmpdir(), 'onnx-proto-')), 'onnx.js')
generate(commented)
run('pbts', ['-o', `${folder}/onnx.d.ts`, commented])
const module = `${folder}/onnx.js`
generate(module, '--no-comments')
// protobufjs hides the fields it does not know; they must come along when a message is copied ({ ...message }).
writeFileSync(module, readFileSync(module, 'utf8').replaceAll('"$unknowns", false', '"$unknowns", true'))
