// Holds `fuse` to other people's test models: each keeps its interface, and computes what it did before.
//
//   npm run build && node bench/conformance.js FOLDER [--list]
//
// FOLDER is searched for .onnx files; where test_data_set_*/input_*.pb lies beside one (as in ONNX's own conformance models, which the
// Python package onnx ships under onnx/backend/test/data), those inputs are used, else seeded random ones. Both models run on
// onnxruntime-web's wasm without its optimiser. Models which the runtime refuses in the first place are only fused.
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import * as ort from 'onnxruntime-web'
import { concatenate, decode, encode, fuse, ModelError } from '../dist/index.js'
import { difference } from './difference.js'
import { randomInputs, storedInputs } from './inputs.js'
import { modelFiles } from './model-files.js'

const [folder, ...flags] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node bench/conformance.js FOLDER [--list]')
  process.exit(2)
}
ort.env.logLevel = 'fatal'

const files = modelFiles(folder)

/** Opens a session, without the runtime's optimiser, for as long as it is used. */
async function withSession(bytes, use) {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 })
  try {
    return await use(session)
  } finally {
    await session.release()
  }
}

const run = (bytes, feeds) => withSession(bytes, (session) => session.run(feeds))

/** Sizes to try where a model leaves them open, until it runs: other people's tests seldom say which they were made for. */
const unknownSizes = [2, 1, 4, 8]

/** Inputs that the model takes, and what one session makes of them, twice. Throws what the runtime says where it takes none. */
async function firstRun(file, original, bytes) {
  const names = original.graph.inputs.map(({ name }) => name)
  const stored = storedInputs(file, names)
  return withSession(bytes, async (session) => {
    const twice = async (feeds) => ({ feeds, before: await session.run(feeds), again: await session.run(feeds) })
    if (stored !== undefined) return twice(stored)
    let refusal
    for (const size of unknownSizes) {
      try {
        return await twice(randomInputs(original, new Map(), size))
      } catch (error) {
        refusal = error
      }
    }
    throw refusal
  })
}

/** The inputs with the last bit of floats changed: where that moves the outputs as much, so may any other order of the same sums. */
const nudged = (feeds) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type, type === 'float32' ? data.map((number) => number * (1 + 2 ** -23)) : data, dims),
    ]),
  )

const signature = (model) =>
  JSON.stringify([
    model.graph.inputs.map(({ name, elementType, shape }) => [name, elementType, shape]),
    model.graph.outputs.map(({ name, elementType }) => [name, elementType]),
  ])

/** The shape of an output may change only where the one that the model declared was none that the output has. */
function checkDeclaredShapes(original, model, results) {
  for (const [index, { name, shape }] of original.graph.outputs.entries()) {
    const after = model.graph.outputs[index].shape
    const actual = results[name]?.dims
    if (actual === undefined || JSON.stringify(shape) === JSON.stringify(after)) continue
    if (holds(shape, actual) || !holds(after, actual))
      throw new Error(`its output "${name}", [${actual}], was declared [${shape}] and is declared [${after}]`)
  }
}

const holds = (declared, actual) =>
  declared === undefined ||
  (declared.length === actual.length &&
    declared.every((size, axis) => typeof size !== 'number' || size === actual[axis]))

const counts = { same: 0, unchanged: 0, 'not run': 0, random: 0, refused: 0, wrong: 0, crashed: 0 }
const fired = {}
for (const file of files) {
  const label = relative(folder, file)
  const bytes = readFileSync(file)
  let original
  let result
  let fused
  try {
    original = decode(bytes, {
      readExternalData: ({ location, offset, length }) =>
        readFileSync(join(dirname(file), location)).subarray(offset, offset + length),
    })
    result = fuse(original)
    if (result.model !== original) fused = concatenate(encode(result.model).chunks)
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
    let first
    try {
      first = await firstRun(file, original, bytes)
    } catch {
      counts['not run']++
      continue
    }
    const { feeds, before, again } = first
    if (difference(before, again) > 0) {
      counts.random++
      continue
    }
    checkDeclaredShapes(original, model, before)
    const error = difference(before, await run(fused, feeds))
    const isHalf = [...original.graph.inputs, ...original.graph.outputs].some(
      ({ elementType }) => elementType === 'float16',
    )
    const tolerance = isHalf ? 5e-3 : 2e-5
    if (error > tolerance && error > 10 * difference(before, await run(bytes, nudged(feeds))))
      throw new Error(`its outputs differ by ${error.toExponential(1)}`)
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
