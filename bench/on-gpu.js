// Runs fused models on WebGPU, by onnxruntime-node, which has the WebGPU provider of onnxruntime-web, and holds them to what the original
// computes on the CPU.
//
//   npm run bench:on-gpu -- FOLDER
//
// FOLDER is searched for .onnx files; inputs are those that bench/conformance.js takes. A model that differs or fails is run as it comes too:
// where that fails as well the runtime is to blame. Models are run by processes of their own, several in each, since the runtime may crash.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concatenate, decode, encode, failingOnWebgpu, fuse, ModelError } from '../dist/index.js'
import { difference } from './difference.js'
import { randomInputs, storedInputs } from './inputs.js'
import { modelFiles } from './model-files.js'
import { graphicsEnvironment } from './session-placement.js'

const [folder, from] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: npm run bench:on-gpu -- FOLDER')
  process.exit(2)
}
const files = modelFiles(folder)

/** Models that one process runs. */
const share = 50
/** The GPU rounds in other places than the CPU, and has functions of fewer bits. */
const tolerance = 1e-3

/** Starts a process for each share, and goes on behind the model that made one crash. */
function runAll() {
  const counts = {}
  for (let next = 0; next < files.length; ) {
    const { stdout, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), folder, String(next)], {
      env: { ...process.env, ...graphicsEnvironment() },
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    })
    const outcomes = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    if (status !== 0) outcomes.push({ kind: 'crashed', index: (outcomes.at(-1)?.index ?? next - 1) + 1, message: '' })
    for (const { kind, index, message } of outcomes) {
      counts[kind] = (counts[kind] ?? 0) + 1
      if (message !== undefined) console.log(`${kind}: ${relative(folder, files[index])} ${message}`)
    }
    next = status === 0 ? next + share : outcomes.at(-1).index + 1
  }
  const found = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
  console.log(`${files.length} models: ${found.join(', ')}`)
  process.exit((counts.wrong ?? 0) + (counts.crashed ?? 0) > 0 ? 1 : 0)
}

async function runShare(start) {
  const ort = createRequire(import.meta.url)('onnxruntime-node')
  for (const [offset, file] of files.slice(start, start + share).entries()) {
    const outcome = await outcomeOf(ort, file)
    console.log(JSON.stringify({ index: start + offset, ...outcome }))
  }
}

async function outcomeOf(ort, file) {
  const bytes = readFileSync(file)
  let original
  let model
  try {
    original = decode(bytes)
    ;({ model } = fuse(original))
  } catch (error) {
    if (error instanceof ModelError) return { kind: 'refused' }
    throw error
  }
  if (model === original) return { kind: 'unchanged' }
  const first = await firstRun(ort, file, original, bytes)
  if (first === undefined) return { kind: 'not run' }
  const { feeds, expected } = first
  const onGpu = async ({ graph }, encoded) => {
    const names = failingOnWebgpu(graph)
    const provider = { name: 'webgpu', ...(names.length > 0 && { forceCpuNodeNames: names }) }
    try {
      const error = difference(expected, await run(ort, encoded, provider, feeds))
      return error <= tolerance ? undefined : `differs by ${error.toExponential(1)}`
    } catch ({ message }) {
      return message.slice(0, 200)
    }
  }
  const message = await onGpu(model, concatenate(encode(model).chunks))
  if (message === undefined) return { kind: 'same' }
  if (/requires f16/.test(message)) return { kind: 'without float16' }
  const before = await onGpu(original, bytes)
  return before === undefined ? { kind: 'wrong', message } : { kind: 'wrong as it comes', message: before }
}

/** Inputs that the model takes, and what the CPU makes of them. */
async function firstRun(ort, file, original, bytes) {
  const names = original.graph.inputs.map(({ name }) => name)
  let stored
  try {
    stored = storedInputs(file, names)
  } catch {
    return undefined
  }
  for (const size of stored === undefined ? [2, 1, 4, 8] : [0]) {
    try {
      const feeds = tensorsOf(ort, stored ?? randomInputs(original, new Map(), size))
      return { feeds, expected: await run(ort, bytes, { name: 'cpu' }, feeds, 'disabled') }
    } catch {}
  }
  return undefined
}

const tensorsOf = (ort, feeds) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
  )

async function run(ort, bytes, provider, feeds, graphOptimizationLevel = 'all') {
  const options = { executionProviders: [provider], graphOptimizationLevel, logSeverityLevel: 4 }
  const session = await ort.InferenceSession.create(bytes, options)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

if (from === undefined) runAll()
else await runShare(Number(from))
