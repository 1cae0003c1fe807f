// Looks for wrong rewrites: draws models at random, fuses each for some target, and runs both on onnxruntime's CPU provider.
//
//   npm run bench:fuzz -- [--seed N] [--count N] [--keep FOLDER]
//
// Every model comes from a seed of its own, so that `--seed N --count 1` draws it again. Of a model that comes out wrong, the rewrite after which
// it does is named, found by bisection; `--keep` writes it to a folder. A model on which the runtime itself crashes is passed over.
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { concatenate, decode, encode, fuse, placement, targets } from '../dist/index.js'
import { randomGraph } from './fuzz/random-graph.js'
import { runModel } from './fuzz/runtime.js'
import { SeededRandom } from './fuzz/seeded-random.js'

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    keep: { type: 'string' },
    worker: { type: 'boolean', default: false },
  },
})

/** How far apart results may be, by the narrowest type in the model, relative to the largest number. */
const tolerances = { float16: 2e-2, float32: 1e-4, float64: 1e-6 }

const bytesOf = (model) => concatenate(encode(model).chunks)

function toleranceOf(model) {
  const values = [...model.graph.nodes].flatMap(({ outputs, inputs }) => [...outputs, ...inputs])
  const isHalf =
    values.some((value) => value?.elementType === 'float16') ||
    [...model.graph.nodes].some((node) => node.int('to') === 10)
  return isHalf ? tolerances.float16 : tolerances[model.graph.inputs[0]?.elementType]
}

/** The largest difference relative to the largest number; infinity where one alone is no number, and for other types and shapes. */
function difference(before, after) {
  let worst = 0
  for (const [name, one] of Object.entries(before)) {
    const other = after[name]
    if (one.elementType !== other?.elementType || String(one.dims) !== String(other.dims))
      return Number.POSITIVE_INFINITY
    const [left, right] = [one.toNumbers(), other.toNumbers()]
    let [distance, largest] = [0, 1]
    for (const [index, number] of left.entries()) {
      if (Object.is(number, right[index]) || number === right[index]) continue
      const apart = Math.abs(number - right[index])
      distance = Math.max(distance, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart)
      if (Number.isFinite(number)) largest = Math.max(largest, Math.abs(number))
    }
    const isWhole = !one.elementType.startsWith('float')
    worst = Math.max(worst, isWhole && distance > 0 ? Number.POSITIVE_INFINITY : distance / largest)
  }
  return worst
}

/** Inputs a little beside others: what they change by themselves is no fault of a rewrite. */
const nudged = (random, feeds, by) =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [
      name,
      tensor.constructor.fromNumbers(
        tensor.elementType,
        tensor.dims,
        tensor.toNumbers().map((number) => number * (1 + by * (2 * random.uniform() - 1))),
      ),
    ]),
  )

/** What is wrong with a fused model; undefined where nothing is, or where the runtime does not run it before it is fused. */
async function fault({ bytes, feeds, options, random }) {
  const original = decode(bytes)
  const { model } = fuse(original, options)
  if (model === original) return undefined
  placement(model)
  const fused = bytesOf(model)
  if (Buffer.compare(fused, bytesOf(fuse(decode(bytes), options).model))) return 'another result the second time'
  const before = await runModel(bytes, feeds).catch(() => undefined)
  if (before === undefined) return undefined
  const after = await runModel(fused, feeds).catch((error) => error)
  if (after instanceof Error) return /NOT_IMPLEMENTED/.test(after.message) ? undefined : after.message.slice(0, 300)
  const tolerance = toleranceOf(original)
  const error = difference(before, after)
  if (error <= tolerance) return undefined
  const moved = await runModel(bytes, nudged(random, feeds, tolerance / 10))
  return difference(before, moved) * 10 >= Math.min(error, 1e9)
    ? undefined
    : `outputs differ by ${error.toExponential(1)}`
}

async function tryOne(seed) {
  const random = new SeededRandom(seed)
  const drawn = await randomGraph(random)
  if (drawn === undefined) return { ran: false }
  const bytes = bytesOf(drawn.model)
  const options = { target: random.of(targets) }
  const faultWith = (most) =>
    fault({
      bytes,
      feeds: drawn.feeds,
      random,
      options: most === undefined ? options : { ...options, maxRewrites: most },
    }).catch((error) => error.stack)
  const found = await faultWith(undefined)
  if (found === undefined) return { ran: true }
  let [good, bad] = [0, 1000]
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2)
    if (await faultWith(middle)) bad = middle
    else good = middle
  }
  let step
  try {
    step = fuse(decode(bytes), { ...options, maxRewrites: bad }).report.steps.at(-1)
  } catch (error) {
    step = { fusion: error.fusion ?? '?', node: error.message }
  }
  if (flags.keep) {
    mkdirSync(flags.keep, { recursive: true })
    writeFileSync(join(flags.keep, `${seed}.onnx`), bytes)
  }
  return { ran: true, found: `${found}\n  after ${step?.fusion} on ${step?.node}, target ${options.target}` }
}

async function work() {
  const last = Number(flags.seed) + Number(flags.count)
  for (let seed = Number(flags.seed); seed < last; seed++) {
    process.send({ starts: seed })
    process.send({ seed, ...(await tryOne(seed)) })
  }
  process.exit(0)
}

/** The runtime may take the process with it: the models are tried in another one, which goes on behind the one that did. */
async function main() {
  const last = Number(flags.seed) + Number(flags.count)
  const counts = { ran: 0, crashed: 0, wrong: 0 }
  for (let seed = Number(flags.seed); seed < last; ) {
    const args = [
      '--worker',
      '--seed',
      String(seed),
      '--count',
      String(last - seed),
      ...(flags.keep ? ['--keep', flags.keep] : []),
    ]
    const child = fork(fileURLToPath(import.meta.url), args)
    child.on('message', ({ starts, seed: done, ran, found }) => {
      if (starts !== undefined) seed = starts
      if (ran) counts.ran++
      if (found === undefined) return
      counts.wrong++
      console.log(`seed ${done}: ${found}`)
    })
    const code = await new Promise((resolve) => child.on('exit', resolve))
    if (code === 0) break
    counts.crashed++
    seed++
  }
  console.log(`${counts.ran} models, ${counts.wrong} wrong; the runtime crashed on ${counts.crashed}`)
  process.exit(counts.wrong > 0 ? 1 : 0)
}

await (flags.worker ? work() : main())
