// Holds what `placement` predicts against a WebGPU session of onnxruntime itself, for every model in the given folders, as it comes and fused.
//
//   npm run bench:placement -- FOLDER... [--only NAME]
//
// Exit status 1 when a model is placed in another way than predicted.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { concatenate, decode, dimensionNames, encode, fuse, placement } from '../dist/index.js'
import { sessionPlacement } from './session-placement.js'

const { positionals: folders, values } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
if (folders.length === 0) {
  console.error('usage: npm run bench:placement -- FOLDER... [--only NAME]')
  process.exit(2)
}
const files = folders.flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.onnx') && (values.only === undefined || name.includes(values.only)))
    .sort()
    .map((name) => join(folder, name)),
)
const work = mkdtempSync(join(tmpdir(), 'unplugin-onnx-bench-'))

/** What a pinned model would be given: the batch is one. */
const firstDimensions = (model) => {
  const [first] = model.graph.inputs.map(({ shape }) => shape?.[0])
  return typeof first === 'string' && dimensionNames(model).includes(first) ? { [first]: 1 } : {}
}

const histogram = (operators) => {
  const counts = {}
  for (const operator of operators) counts[operator] = (counts[operator] ?? 0) + 1
  return counts
}

let wrong = 0
for (const file of files) {
  const model = decode(readFileSync(file))
  const variants = {
    original: () => model,
    fused: () => fuse(model).model,
    'batch 1': () => fuse(model, { dimensions: firstDimensions(model) }).model,
  }
  for (const [name, make] of Object.entries(variants)) {
    const variant = make()
    const path = join(work, 'model.onnx')
    writeFileSync(path, concatenate(encode(variant).chunks))
    const predicted = placement(variant)
    const actual = sessionPlacement(path)
    const copies = predicted.copies.toGpu + predicted.copies.toCpu
    const agrees = predicted.cpu.length === actual.cpu && copies === actual.copies
    if (!agrees) wrong++
    const row = [
      basename(file).padEnd(28),
      name.padEnd(9),
      agrees ? 'as predicted' : 'DIFFERS     ',
      `on the CPU ${predicted.cpu.length} predicted, ${actual.cpu ?? actual.failed}`,
      `copies ${copies} predicted, ${actual.copies}`,
    ]
    console.log(row.join('  '))
    if (!agrees) {
      console.log('  predicted', JSON.stringify(histogram(predicted.cpu.map(({ op }) => op))))
      console.log('  actual   ', JSON.stringify(actual.cpuOperators))
    }
  }
}
rmSync(work, { recursive: true })
process.exit(wrong > 0 ? 1 : 0)
