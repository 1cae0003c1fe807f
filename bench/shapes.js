// Holds shape inference to what models really compute: each is run on onnxruntime-web's wasm with every value of its main graph as an
// output, and element types, shapes and known elements are compared, with the sizes of the run in the place of the symbols.
//
//   npm run build && node bench/shapes.js FOLDER [NAME=SIZE …]
//
// FOLDER is searched for .onnx files. Inputs stored beside a model (as in ONNX's own conformance models) are used, else seeded random
// ones, whose symbolic sizes are 2 or as given: batch=4, x:2=64.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import * as ort from 'onnxruntime-web'
import { substitute, symbolsOf } from '../dist/graph/shapes/index.js'
import { concatenate, decode, encode, inferShapes } from '../dist/index.js'
import { randomInputs, storedInputs } from './inputs.js'
import { modelFiles } from './model-files.js'

const [folder, ...given] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node bench/shapes.js FOLDER [NAME=SIZE …]')
  process.exit(2)
}
ort.env.logLevel = 'fatal'
const sizes = new Map(given.map((text) => text.split('=')).map(([name, size]) => [name, Number(size)]))

const files = modelFiles(folder)

function withAllOutputs(bytes) {
  const model = decode(bytes)
  for (const node of model.graph.nodes) {
    if (node.is('Constant')) continue
    for (const output of node.outputs) if (output !== undefined && !output.isOutput) model.graph.addOutput(output)
  }
  return model
}

/** The sizes of a run, by the names of the symbols; a symbol without a name stands for what it first ran as. */
class Run {
  sizes = new Map()

  /** Whether the expression is that number here; undefined where it says nothing of it. */
  agrees(dim, actual) {
    const value = substitute(dim, this.sizes)
    if (typeof value === 'number') return value === actual || (Number.isNaN(value) && Number.isNaN(actual))
    const [name] = symbolsOf(value)
    if (name !== undefined && value.toString() === name) this.sizes.set(name, actual)
    return undefined
  }

  /** 'exact', 'open' where something is unknown, or what is wrong. */
  compare(facts, tensor) {
    const inferred = `${facts?.elementType}[${facts?.shape}]`
    const wrong = (what) => `wrong: ${what} of ${inferred}, ran as ${tensor.type}[${tensor.dims}]`
    if (facts === undefined) return 'open'
    if (facts.elementType !== undefined && facts.elementType !== tensor.type) return wrong('type')
    if (facts.shape === undefined) return 'open'
    if (facts.shape.length !== tensor.dims.length) return wrong('rank')
    const dims = facts.shape.map((dim, axis) => this.agrees(dim, tensor.dims[axis]))
    if (dims.includes(false)) return wrong('size')
    // Past 2⁵³ a number is not the integer it was read from.
    const elements = facts.data?.map((element, index) => {
      const actual = Number(tensor.data[index])
      return Math.abs(actual) > Number.MAX_SAFE_INTEGER || this.agrees(element, actual)
    })
    if (elements?.includes(false)) return wrong(`elements ${facts.data}, which are ${tensor.data},`)
    return dims.includes(undefined) || facts.elementType === undefined ? 'open' : 'exact'
  }
}

const total = { exact: 0, open: 0, wrong: 0, 'not run': 0 }
for (const file of files) {
  const label = relative(folder, file)
  const counts = { exact: 0, open: 0, wrong: 0 }
  const bytes = readFileSync(file)
  let outputs
  let feeds
  let model
  try {
    model = withAllOutputs(bytes)
    const names = model.graph.inputs.map(({ name }) => name)
    feeds = storedInputs(file, names) ?? randomInputs(model, sizes)
    const session = await ort.InferenceSession.create(concatenate(encode(model).chunks), {
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 4,
    })
    outputs = await session.run(feeds)
    await session.release()
  } catch (error) {
    total['not run']++
    if (files.length < 100) console.log(`${label}: not run: ${error.message}`)
    continue
  }
  const start = performance.now()
  const shapes = inferShapes(model)
  const milliseconds = performance.now() - start
  const run = new Run()
  for (const input of model.graph.inputs) {
    shapes.shapeOf(input)?.forEach((dim, axis) => {
      const actual = feeds[input.name]?.dims[axis]
      if (actual !== undefined) run.agrees(dim, actual)
    })
  }
  for (const value of model.graph.outputs) {
    const tensor = outputs[value.name]
    if (tensor?.dims === undefined) continue
    const result = run.compare(shapes.factsOf(value), tensor)
    counts[result.startsWith('wrong') ? 'wrong' : result]++
    if (result.startsWith('wrong')) console.log(`${label}: ${value.producer} → ${value}: ${result}`)
  }
  for (const key of Object.keys(counts)) total[key] += counts[key]
  if (files.length < 100) {
    console.log(
      `${label}: ${counts.exact} exact, ${counts.open} open, ${counts.wrong} wrong, ${milliseconds.toFixed(1)} ms`,
    )
  }
}
console.log(
  `${files.length} models (${total['not run']} not run): ${total.exact} values exact, ${total.open} open, ${total.wrong} wrong`,
)
process.exit(total.wrong > 0 ? 1 : 0)
