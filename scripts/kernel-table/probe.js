// Asks an onnxruntime-web, in a real browser, for which operators, opsets and element types it has kernels, and writes the answer to
// src/fusion/kernels/. Run after `npm run build`: node scripts/kernel-table/probe.js [FOLDER]
// FOLDER holds an unpacked package of another release (npm pack onnxruntime-web@1.27.0; tar xzf …); default: the installed one.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { buildModel, concatenate, elementTypes, encode, float, Tensor } from '../../dist/index.js'

process.env.AWS_LAMBDA_JS_RUNTIME ??= 'nodejs22.x'
const { default: npmChromium } = await import('@sparticuz/chromium')

const schemas = JSON.parse(readFileSync(new URL('./schemas.json', import.meta.url), 'utf8'))
const [folder = 'node_modules/onnxruntime-web'] = process.argv.slice(2)
const ort = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const newestOpset = 24

/** tensor(float) → float32; undefined for what is no plain tensor type of ours. */
const elementType = (text) => {
  const name = /^tensor\((.*)\)$/.exec(text)?.[1]
  const renamed = { float: 'float32', double: 'float64' }[name] ?? name
  return renamed in elementTypes ? renamed : undefined
}
const probed = ['float32', 'float16', 'int32', 'uint32', 'int64', 'bool', 'uint8', 'int8']
/** Operators whose second operand is mostly of the type of the first, though it need not be. */
const sameTypes = new Set(['Pow'])
/** What a type variable other than the first is bound to: the first of these that it allows. */
const preferred = ['int64', 'float32', 'int32', 'bool', 'uint8']

const attributeValues = {
  perm: [0],
  axes: [0],
  axis: 0,
  to: 1,
  kernel_shape: [3, 3],
  blocksize: 2,
  hidden_size: 4,
  body: undefined,
  equation: 'ij,jk->ik',
  mode: 'linear',
  scales: float([1, 1, 2, 2]),
  shape: [1],
  split: [1],
  k: 1,
  dtype: 1,
  sample_size: 1,
  num_outputs: 1,
  detect_positive: 1,
  bits: 8,
  direction: 'LEFT',
  pads: [0, 0, 0, 0],
  to_type: 1,
  then_branch: undefined,
  else_branch: undefined,
  value: Tensor.fromNumbers('float32', [], [1]),
  size: 3,
  p: 2,
  num_heads: 1,
  kv_num_heads: 1,
  output_height: 1,
  output_width: 1,
  height_scale: float(1),
  width_scale: float(1),
}

/** A model of one node of that operator, or undefined where one cannot be made from its schema alone. */
function probe(op, schema, opset, type) {
  const bound = new Map()
  // The variable that is probed: the first that stands for more than one type.
  const first = schema.inputs
    .map(([variable]) => variable)
    .find((variable) => elementType(variable) === undefined && (schema.types[variable] ?? []).length > 1)
  const bind = (variable) => {
    const concrete = elementType(variable)
    if (concrete !== undefined) return concrete
    if (!bound.has(variable)) {
      const allowed = (schema.types[variable] ?? []).map(elementType)
      bound.set(
        variable,
        variable === first
          ? allowed.includes(type)
            ? type
            : undefined
          : sameTypes.has(op) && allowed.includes(type)
            ? type
            : preferred.find((t) => allowed.includes(t)),
      )
    }
    return bound.get(variable)
  }
  // An operator of fixed types is probed once.
  if (first === undefined && type !== probed[0]) return undefined
  const inputs = schema.inputs.filter(([, option]) => option !== 'Optional').map(([variable]) => bind(variable))
  if (inputs.some((t) => t === undefined)) return undefined
  const attributes = {}
  for (const [name, kind] of Object.entries(schema.attributes)) {
    if (kind === 'GRAPH' || attributeValues[name] === undefined) return undefined
    attributes[name] = attributeValues[name]
  }
  const outputs = schema.outputs.filter(([, option]) => option !== 'Optional').length || 1
  const model = buildModel(
    (g) => {
      const values = inputs.map((t, index) => g.input(`x${index}`, t))
      const node = g.node(op, values, attributes, { outputs })
      for (const [index, value] of node.outputs.entries()) g.output(`y${index}`, value)
    },
    { opset, irVersion: 10 },
  )
  return concatenate(encode(model).chunks)
}

const probes = []
for (const [op, versions] of Object.entries(schemas)) {
  versions.forEach((schema, index) => {
    const next = versions[index + 1]?.since ?? Number.POSITIVE_INFINITY
    const opset = Math.max(schema.since, 7)
    if (opset >= next || schema.since > newestOpset) return
    for (const type of probed) {
      const model = probe(op, schema, opset, type)
      if (model !== undefined)
        probes.push({ op, since: schema.since, opset, type, model: Buffer.from(model).toString('base64') })
    }
  })
}

/** Operators outside the standard that a rewrite may produce, each in the form in which it would. */
const contributed = {
  Gelu: (g, x) => g.op('Gelu', [x], {}, ms),
  FastGelu: (g, x) => g.op('FastGelu', [x], {}, ms),
  QuickGelu: (g, x) => g.op('QuickGelu', [x], { alpha: 1 }, ms),
  BiasGelu: (g, x, vector) => g.op('BiasGelu', [x, vector], {}, ms),
  BiasAdd: (g, x, vector) => g.op('BiasAdd', [x, vector, x], {}, ms),
  BiasSplitGelu: (g, x, vector) => g.op('BiasSplitGelu', [x, vector], {}, ms),
  BiasSoftmax: (g, x) => g.op('BiasSoftmax', [x, x], { axis: 1, is_inner_broadcast: 0 }, ms),
  SkipLayerNormalization: (g, x, vector) => g.op('SkipLayerNormalization', [x, x, vector, vector], {}, ms),
  SkipSimplifiedLayerNormalization: (g, x, vector) => g.op('SkipSimplifiedLayerNormalization', [x, x, vector], {}, ms),
  MultiHeadAttention: (g, x) => g.op('MultiHeadAttention', [x, x, x], { num_heads: 2 }, ms),
  Attention: (g, x, vector, matrix) => g.op('Attention', [x, matrix, vector], { num_heads: 2 }, ms),
  GroupQueryAttention: (g, x) =>
    g.op(
      'GroupQueryAttention',
      [x, x, x, undefined, undefined, g.input('k', 'int32', [1, 1]), g.input('t', 'int32', [])],
      { num_heads: 2, kv_num_heads: 2 },
      { ...ms, outputs: 3 },
    ),
  RotaryEmbedding: (g, x, _vector, matrix) =>
    g.op('RotaryEmbedding', [x, g.input('p', 'int64', [1, 4]), matrix, matrix], { num_heads: 2 }, ms),
  MatMulNBits: (g, x) =>
    g.op(
      'MatMulNBits',
      [x, g.constant(new Uint8Array(64), { dims: [8, 1, 8], type: 'uint8' }), g.input('scales', x.elementType, [8])],
      { K: 16, N: 8, bits: 4, block_size: 16 },
      ms,
    ),
  GatherBlockQuantized: (g, x) =>
    g.op(
      'GatherBlockQuantized',
      [g.input('data', 'uint8', [8, 8]), g.input('i', 'int64', [1, 2]), x],
      { bits: 4, block_size: 16, quantize_axis: 1, gather_axis: 0 },
      ms,
    ),
  FusedMatMul: (g, x) => g.op('FusedMatMul', [x, x], { transB: 1 }, ms),
  FusedConv: (g, x) => g.op('FusedConv', [x, x], { activation: 'Relu' }, ms),
  GroupNorm: (g, x, vector) => g.op('GroupNorm', [x, vector, vector], { groups: 2, activation: 0 }, ms),
}
const ms = { domain: 'com.microsoft' }
/** Registered by onnxruntime under the standard's domain. */
const unlisted = {
  SimplifiedLayerNormalization: (g, x, vector) => g.op('SimplifiedLayerNormalization', [x, vector], { axis: -1 }),
}

/** Operators of the standard whose kernels look at more than types: each with the operands that it must have, by opset. */
const resize = (g, x) => g.op('Resize', [x, undefined, float32([1, 1, 2, 2])], { mode: 'nearest' })
const recurrent = (op, gates) => (g, x) =>
  g.op(
    op,
    [
      x,
      g.constant(new Float32Array(gates * 8), { dims: [1, gates * 4, 2] }),
      g.constant(new Float32Array(gates * 16), { dims: [1, gates * 4, 4] }),
    ],
    {
      hidden_size: 4,
    },
  )
const float32 = (numbers) => Tensor.fromNumbers('float32', [numbers.length], numbers)
const branch = (g, x) => g.subgraph((inner) => inner.output(`y_${inner.graph.name}`, inner.op('Relu', [x])))
const conditional = (g, x) =>
  g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(g, x), else_branch: branch(g, x) })
const special = {
  Resize: [[13, 18, 19], resize],
  LSTM: [[7, 14, 22], recurrent('LSTM', 4)],
  GRU: [[7, 14, 22], recurrent('GRU', 3)],
  RNN: [[7, 14, 22], recurrent('RNN', 1)],
  If: [[11, 13, 16, 19, 21, 23, 24], conditional],
  Dropout: [[12, 13, 22], (g, x) => g.op('Dropout', [x])],
  Upsample: [[9], (g, x) => g.op('Upsample', [x, float32([1, 1, 2, 2])])],
}
for (const [op, [versions, build]] of Object.entries(special)) {
  for (const since of versions) {
    for (const type of op === 'Resize' ? ['float32', 'float16', 'int32', 'uint8'] : ['float32']) {
      const rank = ['LSTM', 'GRU', 'RNN'].includes(op) ? [3, 1, 2] : [1, 1, 4, 4]
      const model = buildModel((g) => g.output('y', build(g, g.input('x', type, rank))), {
        opset: since,
        irVersion: 10,
      })
      probes.push({
        op,
        since,
        opset: since,
        type,
        model: Buffer.from(concatenate(encode(model).chunks)).toString('base64'),
      })
    }
  }
}
for (const [prefix, table] of [
  ['com.microsoft::', contributed],
  ['', unlisted],
]) {
  for (const [op, build] of Object.entries(table)) {
    for (const type of ['float32', 'float16']) {
      const model = buildModel(
        (g) => {
          const x = g.input('x', type)
          const value = build(g, x, g.input('vector', type, [16]), g.input('matrix', type))
          for (const [index, output] of value.producer.outputs.entries()) g.output(`y${index}`, output)
        },
        { opset: 17, opsets: { 'com.microsoft': 1 }, irVersion: 10 },
      )
      probes.push({
        op: `${prefix}${op}`,
        since: 1,
        opset: 17,
        type,
        model: Buffer.from(concatenate(encode(model).chunks)).toString('base64'),
      })
    }
  }
}
console.log(`${probes.length} probes`)

const page404 = '<!doctype html><title>probe</title>'
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://x').pathname)
  if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(page404)
  try {
    const body = readFileSync(join(folder, 'dist', path))
    response
      .writeHead(200, { 'content-type': path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript' })
      .end(body)
  } catch {
    response.writeHead(404).end()
  }
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

const browser = await chromium.launch({
  executablePath: await npmChromium.executablePath(),
  headless: true,
  args: [
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--enable-unsafe-swiftshader',
    '--ignore-gpu-blocklist',
  ],
})

/** Creates a session of each model in a page of its own with one build and one provider; true where it can. */
async function ask(script, provider, models) {
  const page = await browser.newPage()
  await page.goto(origin)
  const results = []
  for (let start = 0; start < models.length; start += 200) {
    const part = await page.evaluate(
      async ({ script, provider, models }) => {
        const ort = await import(script)
        ort.env.logLevel = 'fatal'
        ort.env.wasm.numThreads = 1
        const results = []
        for (const text of models) {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
          try {
            const session = await ort.InferenceSession.create(bytes, {
              executionProviders: [provider],
              graphOptimizationLevel: 'disabled',
              logSeverityLevel: 4,
              ...(provider === 'webgpu' ? { extra: { session: { disable_cpu_ep_fallback: '1' } } } : {}),
            })
            await session.release()
            results.push('')
          } catch (error) {
            results.push(String(error.message ?? error).slice(0, 300))
          }
        }
        return results
      },
      { script: `${origin}/${script}`, provider, models: models.slice(start, start + 200) },
    )
    results.push(...part)
  }
  await page.close()
  return results
}

const models = probes.map(({ model }) => model)
const gpu = await ask('ort.jspi.bundle.min.mjs', 'webgpu', models)
const jspi = await ask('ort.jspi.bundle.min.mjs', 'wasm', models)
const plain = await ask('ort.wasm.bundle.min.mjs', 'wasm', models)
await browser.close()
server.close()

/** Types by operator and version, for the operators of which any version runs. */
const table = new Map()
probes.forEach(({ op, since, type }, index) => {
  const onGpu = gpu[index] === ''
  const onCpu = jspi[index] === '' && plain[index] === ''
  const versions = table.get(op) ?? new Map()
  const { webgpu = [], wasm = [] } = versions.get(since) ?? {}
  if (onGpu && !webgpu.includes(type)) webgpu.push(type)
  if (onCpu && !wasm.includes(type)) wasm.push(type)
  table.set(op, versions.set(since, { webgpu, wasm }))
})
const lines = [...table]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([op, versions]) => {
    const cells = [...versions].map(
      ([since, { webgpu, wasm }]) => `${since}: ['${webgpu.join(' ')}', '${wasm.join(' ')}']`,
    )
    return `  '${op}': { ${cells.join(', ')} },`
  })
const [major, minor] = ort.version.split('.')
const file = `src/fusion/kernels/onnxruntime-web-${major}.${minor}.ts`
writeFileSync(
  file,
  `// Generated by scripts/kernel-table/probe.js from onnxruntime-web ${ort.version}. Do not edit.
import type { KernelTable } from './kernel-table.ts'

// biome-ignore format: one operator a line
export const onnxruntimeWeb: KernelTable = {
${lines.join('\n')}
}
`,
)
if (process.argv.includes('--failures')) {
  probes.forEach(({ op, since, type }, index) => {
    if (gpu[index] !== '' && !gpu[index].includes('fallback')) console.log(op, since, type, gpu[index].slice(0, 160))
  })
}
console.log(`${file}: ${lines.length} operators`)
