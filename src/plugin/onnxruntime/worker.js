// @ts-check
/**
 * The thread that runs models with onnxruntime-web's wasm provider. Plain JavaScript, because Node starts it as a file of its own.
 * It holds sessions by number and knows nothing else: see protocol.ts.
 *
 * @import { Feeds, Reply, Request, WireTensor, WorkerData } from './protocol.ts'
 * @import { InferenceSession, Tensor } from 'onnxruntime-web'
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

/** @type {WorkerData} */
const { port: givenPort, replies } = workerData ?? {}
const port = givenPort ?? parentPort

// The runtime logs every error that it also throws.
for (const method of /** @type {const} */ (['log', 'warn', 'error'])) console[method] = () => {}

/** @type {Map<number, InferenceSession>} */
const sessions = new Map()

/** The typed array which onnxruntime-web expects for an element type; types below a byte stay packed. */
const viewOf = /** @type {const} */ ({
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int4: Uint8Array,
  uint4: Uint8Array,
})

/** @type {Promise<typeof import('onnxruntime-web')> | undefined} */
let loaded

function loadRuntime() {
  loaded ??= importRuntime().catch((cause) => {
    throw new Error(`onnxruntime-web could not be loaded (${cause.message}). Run: npm install onnxruntime-web`, {
      cause,
    })
  })
  return loaded
}

async function importRuntime() {
  const compiled = compileRuntime()
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'fatal'
  if (compiled !== undefined) handOver(compiled, ort)
  return ort
}

/**
 * The runtime's WebAssembly, as V8 keeps it. By itself the runtime would read its 14 MB into one buffer, copy them into a second, and leave
 * both for some later time. A resizable buffer gives its memory back when told.
 *
 * @returns {WebAssembly.Module | undefined} undefined where a release has the file elsewhere: it loads that by itself then.
 */
function compileRuntime() {
  let file
  try {
    file = openSync(createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'), 'r')
  } catch {
    return undefined
  }
  const { size } = fstatSync(file)
  const bytes = new ArrayBuffer(size, { maxByteLength: size })
  let read = 0
  try {
    for (let count = -1; count !== 0; read += count) count = readSync(file, new Uint8Array(bytes, read))
  } finally {
    closeSync(file)
  }
  const compiled = new WebAssembly.Module(bytes)
  bytes.resize(0)
  return compiled
}

/**
 * Lets the runtime, which knows no other way, take its compiled self where it would compile its file.
 *
 * @param {WebAssembly.Module} compiled
 * @param {typeof import('onnxruntime-web')} ort
 */
function handOver(compiled, ort) {
  ort.env.wasm.wasmBinary = new ArrayBuffer(1)
  const { instantiate } = WebAssembly
  Object.assign(WebAssembly, {
    /** @param {BufferSource} _file @param {WebAssembly.Imports} imports */
    async instantiate(_file, imports) {
      return { module: compiled, instance: await instantiate(compiled, imports) }
    },
  })
}

/**
 * The runtime has copies of its own, and needs the room.
 *
 * @param {readonly Uint8Array[]} read
 */
function giveBack(read) {
  for (const { buffer } of read) if (buffer instanceof ArrayBuffer && buffer.resizable) buffer.resize(0)
}

/**
 * @param {Request} request
 * @returns {Promise<Reply>}
 */
async function answer(request) {
  const { id } = request
  const ort = await loadRuntime()
  if (request.kind === 'open') {
    const session = await ort.InferenceSession.create(request.bytes, {
      executionProviders: ['wasm'],
      graphOptimizationLevel: request.level,
      externalData: [...request.externalData],
      logSeverityLevel: 4,
      // Weights in the order that suits a kernel are a second copy, and pay off after some runs.
      extra: { session: { disable_prepacking: '1' } },
    }).finally(() => giveBack([request.bytes, ...request.externalData.map(({ data }) => data)]))
    sessions.set(request.session, session)
    return { id, opened: true }
  }
  const session = sessions.get(request.session)
  if (session === undefined) throw new Error(`There is no session ${request.session}.`)
  if (request.kind === 'release') {
    sessions.delete(request.session)
    await session.release()
    return { id, released: true }
  }
  /** @type {Record<string, Tensor>} */
  const feeds = {}
  for (const [name, tensor] of Object.entries(request.feeds)) feeds[name] = toRuntime(ort, tensor)
  const started = performance.now()
  const results = await session.run(feeds, { logSeverityLevel: 4 })
  const milliseconds = performance.now() - started
  /** @type {Record<string, WireTensor>} */
  const outputs = {}
  for (const [name, tensor] of Object.entries(results)) outputs[name] = toWire(name, tensor)
  return { id, outputs, milliseconds }
}

/**
 * @param {typeof import('onnxruntime-web')} ort
 * @param {WireTensor} tensor
 * @returns {Tensor}
 */
function toRuntime(ort, { type, dims, data }) {
  if (!(data instanceof Uint8Array)) return new ort.Tensor('string', [...data], dims)
  const View = Object.entries(viewOf).find(([name]) => name === type)?.[1]
  if (View === undefined) throw new TypeError(`onnxruntime-web takes no ${type} tensors as inputs.`)
  const elements = new View(
    /** @type {ArrayBuffer} */ (data.buffer),
    data.byteOffset,
    data.byteLength / View.BYTES_PER_ELEMENT,
  )
  return new ort.Tensor(/** @type {'float32'} */ (type), /** @type {Float32Array} */ (elements), dims)
}

/**
 * @param {string} name
 * @param {Tensor} tensor
 * @returns {WireTensor}
 */
function toWire(name, tensor) {
  const { type, dims, data } = tensor
  if (data === undefined) throw new TypeError(`The output "${name}" is not a tensor.`)
  if (Array.isArray(data)) return { type, dims, data }
  const view = /** @type {Exclude<typeof data, string[]>} */ (data)
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  return { type, dims, data: bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice() }
}

/** @param {Reply} reply */
function send(reply) {
  const buffers = 'outputs' in reply ? Object.values(reply.outputs).flatMap(({ data }) => bufferOf(data)) : []
  port?.postMessage(reply, [...new Set(buffers)])
  if (replies === undefined) return
  Atomics.add(replies, 0, 1)
  Atomics.notify(replies, 0)
}

/**
 * @param {WireTensor['data']} data
 * @returns {ArrayBuffer[]}
 */
const bufferOf = (data) => (data instanceof Uint8Array && data.buffer instanceof ArrayBuffer ? [data.buffer] : [])

/** What leaves the wasm instance in an unknown state. C++ exceptions that nobody caught arrive as bare numbers. */
const fatalText = /\bAborted?\b|unreachable|memory access out of bounds|divide by zero|stack size exceeded/i

/**
 * @param {number} id
 * @param {unknown} error
 * @returns {Reply}
 */
function failure(id, error) {
  const message = error instanceof Error ? error.message : `the runtime threw ${String(error)}`
  const fatal = !(error instanceof Error) || error instanceof WebAssembly.RuntimeError || fatalText.test(message)
  return { id, error: message, fatal }
}

// Loaded before it is asked for; who asks is told if it could not be.
loadRuntime().catch(() => {})

/** One at a time: onnxruntime-web does not allow two calls at once. */
let previous = Promise.resolve()
port?.on('message', (/** @type {Request} */ request) => {
  previous = previous.then(() => answer(request).catch((error) => failure(request.id, error))).then(send)
})
