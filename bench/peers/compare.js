// Runs the other optimisers on the models of a folder, and compares what a WebGPU session keeps of their results with what it keeps of ours.
//
//   python3 -m venv bench/peers/venv && bench/peers/venv/bin/pip install -r bench/peers/requirements.txt
//   npm run bench:peers -- FOLDER [--tools onnxslim,onnxsim] [--json FILE]
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { decode } from '../../dist/index.js'
import { disposeVerification, verify } from '../../dist/plugin/verification/index.js'
import { sessionPlacement } from '../session-placement.js'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const python = path('venv/bin/python')
const cli = path('../../dist/cli/main.js')
const peers = ['onnxslim', 'onnxsim', 'onnxoptimizer', 'onnxscript', 'ort-transformers', 'ort-basic', 'ort-extended']

const { positionals: folders, values } = parseArgs({
  allowPositionals: true,
  options: { tools: { type: 'string', default: peers.join() }, json: { type: 'string' } },
})
if (folders.length === 0 || !existsSync(python)) {
  console.error('usage: npm run bench:peers -- FOLDER..., with the packages of requirements.txt in bench/peers/venv')
  process.exit(2)
}

/** Commands that write an optimised model, by tool. */
const commands = {
  original: undefined,
  'unplugin-onnx': (source, target) => [process.execPath, cli, 'fuse', source, '-o', target, '--no-verify'],
  'unplugin-onnx, verifying': (source, target) => [process.execPath, cli, 'fuse', source, '-o', target],
  ...Object.fromEntries(
    values.tools
      .split(',')
      .map((tool) => [tool, (source, target) => [python, path('optimise.py'), tool, source, target]]),
  ),
}

/** Wall time and peak memory of a process, as GNU time tells them. */
function measured([command, ...args]) {
  const { status, stderr } = spawnSync(python, ['-c', wait, command, ...args], { encoding: 'utf8', timeout: 600_000 })
  const lines = stderr.trim().split('\n')
  const [seconds, kilobytes] = lines.at(-1)?.split(' ').map(Number) ?? []
  return { seconds, megabytes: kilobytes / 1024, failed: status === 0 ? undefined : (lines.at(-2) ?? 'killed') }
}
const wait = `
import resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)`

/** Whether an optimised model computes what the original does. */
async function error(original, optimised) {
  const model = (file) => decode(readFileSync(file), { readExternalData: () => new Uint8Array() })
  try {
    const { status, maxRelError, reason } = await verify({ original: model(original), fused: model(optimised) })
    return { status, maxRelError, reason }
  } catch (failure) {
    return { status: 'failed', reason: failure.message }
  }
}

const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(folder, name)),
)
const work = mkdtempSync(join(tmpdir(), 'unplugin-onnx-peers-'))
const rows = []
for (const file of files) {
  for (const [tool, command] of Object.entries(commands)) {
    const target = command === undefined ? file : join(work, `${tool}-${basename(file)}`)
    const cost = command === undefined ? {} : measured(command(file, target))
    const result =
      cost.failed === undefined
        ? { ...sessionPlacement(target), ...(command && { error: await error(file, target) }) }
        : {}
    rows.push({ file: basename(file), tool, ...cost, ...result })
    if (command !== undefined) rmSync(target, { force: true })
  }
  console.error(`${basename(file)} done`)
}
await disposeVerification()
rmSync(work, { recursive: true })

const text = ({ failed, nodes, cpu, copies, error, seconds, megabytes }) => {
  if (failed !== undefined) return `fails: ${failed.slice(0, 60).replaceAll('|', '/')}`
  const wrong = error?.status === 'failed' ? ' **wrong**' : ''
  const cost = seconds === undefined ? '' : `, ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB`
  return `${nodes}/${cpu}/${copies}${cost}${wrong}`
}
const tools = Object.keys(commands)
console.log(
  'Nodes of the WebGPU session / of them on the CPU / copies, time and peak memory of the tool as a whole process.\n',
)
const total = (tool, field) => rows.filter((row) => row.tool === tool).reduce((sum, row) => sum + (row[field] ?? 0), 0)
const table = [
  ['model', ...tools],
  ['---', ...tools.map(() => '---')],
  ...files.map((file) => [
    basename(file),
    ...tools.map((tool) => text(rows.find((row) => row.file === basename(file) && row.tool === tool))),
  ]),
  ['all', ...tools.map((tool) => ['nodes', 'cpu', 'copies'].map((field) => total(tool, field)).join('/'))],
  ['seconds, all', ...tools.map((tool) => total(tool, 'seconds').toFixed(1))],
]
for (const row of table) console.log(`| ${row.join(' | ')} |`)
if (values.json) writeFileSync(values.json, JSON.stringify(rows, null, 2))
