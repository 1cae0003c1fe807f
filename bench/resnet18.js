// The benchmark of PyTorch's tutorial "Building a Convolution/Batch Norm fuser in FX": ResNet18 on images of [10, 3, 224, 224], unfused and
// fused, without and with the runtime's own optimiser; and what fusing itself takes, against reading and writing the file.
//
//   npm run bench -- [--batch 10] [--size 224] [--runs 20] [--warm-ups 10] [--threads 1]
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as ort from 'onnxruntime-web'
import { runnerImport } from 'vite'
import { measuredProcess } from './measured-process.js'

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '10' },
    size: { type: 'string', default: '224' },
    runs: { type: 'string', default: '20' },
    'warm-ups': { type: 'string', default: '10' },
    threads: { type: 'string', default: '1' },
  },
})
/** The option as a number. */
const integer = (name, least = 1) => {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= least) return number
  console.error(`--${name} must be an integer from ${least} up, not ${values[name]}.`)
  process.exit(2)
}
const batch = integer('batch')
const size = integer('size')
const runs = integer('runs')
const warmUps = integer('warm-ups', 0)
const threads = integer('threads')

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const { buildModels } = (await runnerImport(path('../playground/build-models.ts'), { configFile: false })).module
const original = (await buildModels()).find((file) => file.endsWith('resnet18.onnx'))

const sorted = (numbers) => [...numbers].sort((a, b) => a - b)
const median = (numbers) => {
  const list = sorted(numbers)
  const middle = (list.length - 1) / 2
  return (list[Math.floor(middle)] + list[Math.ceil(middle)]) / 2
}
const table = (rows) => {
  const [header] = rows
  for (const row of [header, header.map((_, column) => (column ? '--:' : '---')), ...rows.slice(1)]) {
    console.log(`| ${row.join(' | ')} |`)
  }
  console.log()
}

const work = mkdtempSync(join(tmpdir(), 'unplugin-onnx-bench-'))
const fused = join(work, 'fused.onnx')
const cli = path('../dist/cli/main.js')
const copy = `const{readFileSync,writeFileSync}=require('node:fs');writeFileSync(process.argv[2],readFileSync(process.argv[1]))`
const processes = {
  'read and write the file': ['--eval', copy, '--', original, join(work, 'copy.onnx')],
  'fuse it': [cli, 'fuse', original, '-o', fused, '--no-verify'],
  'fuse and verify it': [cli, 'fuse', original, '-o', fused],
}

console.log(
  `Node ${process.version}, onnxruntime-web ${ort.env.versions.web}, ${cpus()[0]?.model}, ${cpus().length} cores\n`,
)
console.log('## Whole processes, median of 5\n')
const measured = Object.fromEntries(Object.keys(processes).map((name) => [name, []]))
for (let round = 0; round < 5; round++) {
  for (const [name, args] of Object.entries(processes)) {
    const result = measuredProcess(...args)
    if (result.status !== 0) throw new Error(`${name} failed: ${result.stderr}`)
    measured[name].push(result)
  }
}
table([
  ['', 'seconds', 'peak MB'],
  ...Object.entries(measured).map(([name, results]) => [
    name,
    median(results.map(({ seconds }) => seconds)).toFixed(2),
    median(results.map(({ megabytes }) => megabytes)).toFixed(0),
  ]),
])

console.log(`## wasm, ${threads} thread(s), [${batch}, 3, ${size}, ${size}], ${warmUps} warm-ups, ${runs} runs\n`)
ort.env.wasm.numThreads = threads
const files = { unfused: original, fused }
const levels = { '': 'disabled', ' + optimiser': 'all' }
const variants = []
for (const [suffix, graphOptimizationLevel] of Object.entries(levels)) {
  for (const [name, file] of Object.entries(files)) {
    const started = performance.now()
    const session = await ort.InferenceSession.create(readFileSync(file), { graphOptimizationLevel })
    variants.push({ name: name + suffix, session, create: performance.now() - started, times: [] })
  }
}
rmSync(work, { recursive: true })

const image = Float32Array.from({ length: batch * 3 * size * size }, (_, index) => Math.sin(index * 12.9898))
const feeds = { image: new ort.Tensor('float32', image, [batch, 3, size, size]) }
let largest = 0
for (let round = 0; round < warmUps + runs; round++) {
  const outputs = []
  // Next to each other, in alternating order: what slows the machine down slows all.
  for (const variant of round % 2 ? variants.toReversed() : variants) {
    const started = performance.now()
    const { logits } = await variant.session.run(feeds)
    if (round >= warmUps) variant.times.push(performance.now() - started)
    outputs.push(logits.data)
  }
  const magnitude = outputs[0].reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  for (const output of outputs.slice(1)) {
    largest = output.reduce(
      (max, value, index) => Math.max(max, Math.abs(value - outputs[0][index]) / magnitude),
      largest,
    )
  }
}

const [unfused] = variants
table([
  ['', 'create ms', 'run ms, median', 'min', 'max', 'unfused ÷ this, pair by pair: median', 'min', 'max'],
  ...variants.map(({ name, create, times }) => {
    const ratios = sorted(times.map((time, index) => unfused.times[index] / time))
    const list = sorted(times)
    return [
      name,
      create.toFixed(0),
      ...[median(list), list[0], list.at(-1)].map((time) => time.toFixed(1)),
      ...(variants[0].name === name
        ? ['', '', '']
        : [median(ratios), ratios[0], ratios.at(-1)].map((r) => r.toFixed(2))),
    ]
  }),
])
console.log(`Largest relative difference of the outputs: ${largest.toExponential(1)}`)
process.exit(0)
