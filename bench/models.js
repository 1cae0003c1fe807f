// For every model in the given folders: what `unplugin-onnx fuse` makes of it, and what a WebGPU session keeps of it before and after.
//
//   npm run bench:models -- FOLDER... [--sizes FILE.json] [--int64-inputs int32] [--qdq weights] [--json FILE]
//
// The file of sizes has, by a model's file name, what `--dim` fixes: { "net.onnx": { "batch": 1 } }.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measuredProcess } from './measured-process.js'
import { sessionPlacement } from './session-placement.js'

const { positionals: folders, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    sizes: { type: 'string' },
    'int64-inputs': { type: 'string' },
    qdq: { type: 'string' },
  },
})
if (folders.length === 0) {
  console.error(
    'usage: npm run bench:models -- FOLDER... [--sizes FILE.json] [--int64-inputs int32] [--qdq weights] [--json FILE]',
  )
  process.exit(2)
}
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(folder, name)),
)
const sizes = values.sizes === undefined ? {} : JSON.parse(readFileSync(values.sizes, 'utf8'))
/** The flags of `fuse` for a model. */
const flagsFor = (file) => {
  const fixed = Object.entries(sizes[basename(file)] ?? {}).map(([name, size]) => `${name}=${size}`)
  return [
    ...(fixed.length > 0 ? ['--dim', fixed.join(',')] : []),
    ...['int64-inputs', 'qdq'].flatMap((name) => (values[name] === undefined ? [] : [`--${name}`, values[name]])),
  ]
}
const work = mkdtempSync(join(tmpdir(), 'unplugin-onnx-bench-'))
const rows = []
for (const file of files) {
  const output = join(work, basename(file))
  const report = join(work, 'report.json')
  const fuse = (...flags) =>
    measuredProcess(cli, 'fuse', file, '-o', output, '--report', report, ...flagsFor(file), ...flags)
  const alone = fuse('--no-verify')
  const verified = fuse()
  const [entry] = [JSON.parse(readFileSync(report, 'utf8'))].flat().map((content) => content.files?.[0] ?? content)
  rows.push({
    file: basename(file),
    entry,
    alone,
    verified,
    before: sessionPlacement(file),
    after: sessionPlacement(output),
  })
  console.error(`${basename(file)} done`)
}
rmSync(work, { recursive: true })

const number = (value, digits = 1) => (typeof value === 'number' ? value.toFixed(digits) : '–')
const arrow = (before, after) => `${before ?? '–'} → ${after ?? '–'}`
const header = [
  'model',
  'nodes',
  'MB',
  'fuse s',
  'peak MB',
  'with verification s',
  'relative error',
  'session nodes',
  'on the CPU',
  'copies',
]
const table = rows.map(({ file, entry, alone, verified, before, after }) => [
  file,
  arrow(entry?.nodes?.before, entry?.nodes?.after),
  arrow(number(entry?.bytes?.before / 1e6), number(entry?.bytes?.after / 1e6)),
  number(alone.seconds, 2),
  number(alone.megabytes, 0),
  number(verified.seconds, 2),
  entry?.verification?.maxRelError?.toExponential(1) ?? entry?.verification?.status ?? entry?.error?.message ?? '–',
  arrow(before.nodes ?? before.failed, after.nodes ?? after.failed),
  arrow(before.cpu, after.cpu),
  arrow(before.copies, after.copies),
])
const sum = (side, field) => rows.reduce((total, row) => total + (row[side][field] ?? 0), 0)
table.push([
  'all',
  '',
  '',
  '',
  '',
  '',
  '',
  ...['nodes', 'cpu', 'copies'].map((field) => arrow(sum('before', field), sum('after', field))),
])
for (const row of [header, header.map(() => '---'), ...table]) console.log(`| ${row.join(' | ')} |`)
if (values.json) writeFileSync(values.json, JSON.stringify(rows, null, 2))
