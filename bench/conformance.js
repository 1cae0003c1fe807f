// Holds `fuse` to other people's test models: each keeps its interface, and computes what it did before.
//
//   npm run build && node bench/conformance.js FOLDER [--list]
//
// FOLDER is searched for .onnx files; where test_data_set_*/input_*.pb lies beside one (as in ONNX's own conformance models, which the
// Python package onnx ships under onnx/backend/test/data), those inputs are used, else seeded random ones. Both models run on
// onnxruntime-web's wasm without its optimiser. Models which the runtime refuses in the first place are only fused.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import * as ort from 'onnxruntime-web'
import { concatenate, decode, encode, fuse, ModelError, Tensor } from '../dist/index.js'
import { randomInputs, storedInputs } from './inputs.js'

const [folder, ...flags] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node bench/conformance.js FOLDER [--list]')
  process.exit(2)
}
ort.env.logLevel = 'fatal'

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.onnx'))
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()

async function run(bytes, feeds) {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}

/** The largest difference relative to the largest value; infinity where shapes, types, text or NaNs differ. */
function difference(before, after) {
  let worst = 0
  for (const [name, a] of Object.entries(before)) {
    const b = after[name]
    if (a?.data === undefined || b?.data === undefined) continue
    if (a.type !== b?.type || String(a.dims) !== String(b.dims)) return Number.POSITIVE_INFINITY
    if (a.type === 'string') {
      if (a.data.some((text, i) => text !== b.data[i])) return Number.POSITIVE_INFINITY
      continue
    }
    const [left, right] = [numbers(a), numbers(b)]
    let largest = 0
    let error = 0
    for (let i = 0; i < left.length; i++) {
      if (Object.is(left[i], right[i]) || left[i] === right[i])
        largest = Math.max(largest, Number.isFinite(left[i]) ? Math.abs(left[i]) : 0)
      else {
        const distance = Math.abs(left[i] - right[i])
        if (Number.isNaN(distance)) return Number.POSITIVE_INFINITY
        error = Math.max(error, distance)
        largest = Math.max(largest, Math.abs(left[i]))
      }
    }
    worst = Math.max(worst, error / (largest || 1))
  }
  return worst
}

const numbers = (tensor) =>
  tensor.type === 'float16'
    ? Array.from(
        Tensor.fromBytes(
          'float16',
          [...tensor.dims],
          new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
        ).toNumbers(),
      )
    : Array.from(tensor.data, Number)

const signature = (model) =>
  JSON.stringify(
    [model.graph.inputs, model.graph.outputs].map((values) =>
      values.map(({ name, elementType, shape }) => [name, elementType, shape]),
    ),
  )

const counts = { same: 0, unchanged: 0, 'not run': 0, random: 0, refused: 0, wrong: 0, crashed: 0 }
const fired = {}
for (const file of files) {
  const label = relative(folder, file)
  const bytes = readFileSync(file)
  let original
  let result
  try {
    original = decode(bytes, {
      readExternalData: ({ location, offset, length }) =>
        readFileSync(join(dirname(file), location)).subarray(offset, offset + length),
    })
    result = fuse(original)
  } catch (error) {
    const kind = error instanceof ModelError ? 'refused' : 'crashed'
    counts[kind]++
    console.log(`${kind}: ${label}: ${kind === 'crashed' ? error.stack : error.message}`)
    continue
  }
  const { model, report } = result
  if (model === original) {
    counts.unchanged++
    continue
  }
  for (const [name, times] of Object.entries(report.fusions)) fired[name] = (fired[name] ?? 0) + times
  if (flags.includes('--list')) console.log(`fused: ${label}: ${JSON.stringify(report.fusions)}`)
  try {
    if (signature(original) !== signature(model)) throw new Error('its interface changed')
    const fused = concatenate(encode(model).chunks)
    const names = original.graph.inputs.map(({ name }) => name)
    let before
    let feeds
    try {
      feeds = storedInputs(file, names) ?? randomInputs(original)
      before = await run(bytes, feeds)
      if (difference(before, await run(bytes, feeds)) > 0) {
        counts.random++
        continue
      }
    } catch {
      counts['not run']++
      continue
    }
    const error = difference(before, await run(fused, feeds))
    const isHalf = [...original.graph.inputs, ...original.graph.outputs].some(
      ({ elementType }) => elementType === 'float16',
    )
    if (error > (isHalf ? 5e-3 : 2e-5)) throw new Error(`its outputs differ by ${error.toExponential(1)}`)
    counts.same++
  } catch (error) {
    counts.wrong++
    console.log(`wrong: ${label}: ${String(error.message).slice(0, 300)} ${JSON.stringify(report.fusions)}`)
  }
}
console.log(
  `${files.length} models: ${Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}`,
)
console.log(
  Object.entries(fired)
    .map(([name, times]) => `${name} ${times}`)
    .join(', '),
)
process.exit(counts.wrong + counts.crashed > 0 ? 1 : 0)
