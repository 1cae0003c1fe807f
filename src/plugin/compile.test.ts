import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModel, concatenate, decode, encode, type Model, Tensor } from '../graph/index.ts'
import { type CompiledModel, compileModel } from './compile.ts'
import { type Options, resolveOptions } from './options.ts'
import { parseQuery } from './query.ts'

let folder: string
let cacheDir: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'compile-'))
  cacheDir = path.join(folder, 'cache')
  file = path.join(folder, 'net.onnx')
})
afterEach(() => rm(folder, { recursive: true }))

const waves = (count: number, phase: number) =>
  Array.from({ length: count }, (_, index) => Math.sin(index + phase) + 1.5)

/** A convolution and a batch norm; the kernel has 2304 bytes. */
const convBatchNorm = (phase = 0): Model =>
  buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 4, 8, 8])
    const conv = g.op('Conv', [x, g.constant(waves(16 * 4 * 9, phase), { dims: [16, 4, 3, 3], name: 'kernel' })])
    const perChannel = [1, 2, 3, 4].map((phase) => g.constant(waves(16, phase)))
    g.output('y', g.op('BatchNormalization', [conv, ...perChannel]))
  })

/** Nothing to fuse. */
const negation = (): Model => buildModel((g) => g.output('y', g.op('Neg', [g.input('x', 'float32', [2])])))

const write = (model: Model) => writeFile(file, concatenate(encode(model).chunks))

const writeInTwo = async (model: Model, location: string) => {
  const { chunks, externalChunks = [] } = encode(model, { externalLocation: location })
  await writeFile(file, concatenate(chunks))
  await writeFile(path.join(folder, location), concatenate(externalChunks))
}

const compile = (query = 'fused', options: Options = {}): Promise<CompiledModel> =>
  compileModel({ file, query: parseQuery(query, 'net.onnx'), options: resolveOptions(options), cacheDir })

const entries = async () => (await readdir(cacheDir).catch(() => [])).sort()

const expectWhole = async ({ model, externalData }: CompiledModel) => {
  for (const stored of [model, ...externalData]) {
    const bytes = await readFile(stored.file)
    expect(bytes.length).toBe(stored.bytes)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(stored.sha256)
    expect(stored.name).toContain(stored.sha256.slice(0, 8))
  }
}

describe('compileModel', () => {
  it('fuses, verifies and stores a model', async () => {
    await write(convBatchNorm())
    const compiled = await compile()
    await expectWhole(compiled)
    expect(compiled).toMatchObject({
      source: file,
      cached: false,
      features: [],
      cpuNodes: [],
      externalData: [],
      inputs: [{ name: 'x', type: 'float32', shape: ['batch', 4, 8, 8] }],
      outputs: [{ name: 'y' }],
      report: {
        nodes: { before: 2, after: 1 },
        fusions: { 'conv-batch-norm': 1 },
        verification: { status: 'verified' },
      },
    })
    expect(compiled.model.name).toMatch(/^net\.[\da-f]{8}\.onnx$/)
    const { graph } = decode(await readFile(compiled.model.file))
    expect([...graph.nodes].map(({ op }) => op)).toEqual(['Conv'])
  })

  it.each(['onnx', 'fused'])('hands on ?%s of a model that is not to be changed byte for byte', async (query) => {
    await write(query === 'onnx' ? convBatchNorm() : negation())
    const compiled = await compile(query)
    expect(await readFile(compiled.model.file)).toEqual(await readFile(file))
    expect(compiled.report.verification).toEqual({ status: query === 'onnx' ? 'off' : 'unchanged' })
  })

  it('lets the query override the options', async () => {
    await write(convBatchNorm())
    const skipping = { skip: ['conv-batch-norm', 'affine-linear'], verify: false }
    expect((await compile('fused', { verify: false })).report.verification.status).toBe('off')
    expect((await compile('fused&verify=true', { verify: false })).report.verification.status).toBe('verified')
    expect((await compile('fused&only=conv-batch-norm', { ...skipping, skip: [] })).report.fusions).toEqual({
      'conv-batch-norm': 1,
    })
    await expect(compile('fused&skip=conv-bach-norm')).rejects.toMatchObject({
      code: 'unknown-fusion',
      message: expect.stringContaining('net.onnx: There is no fusion "conv-bach-norm"'),
    })
  })

  it('fixes the dimensions that the query names, and of the options those that the model has', async () => {
    await write(convBatchNorm())
    const { inputs, outputs, report } = await compile('fused&dim.batch=2')
    expect(inputs).toEqual([{ name: 'x', type: 'float32', shape: [2, 4, 8, 8] }])
    expect(outputs).toMatchObject([{ name: 'y' }])
    expect(report.verification.status).toBe('verified')
    const everyModel = await compile('fused', { dimensions: { batch: 3, height: 224 } })
    expect(everyModel.inputs[0]?.shape).toEqual([3, 4, 8, 8])
    expect((await compile('onnx', { dimensions: { batch: 3 } })).inputs[0]?.shape?.[0]).toBe('batch')
    await expect(compile('fused&dim.bach=2')).rejects.toMatchObject({
      code: 'unknown-dimension',
      message: expect.stringContaining('net.onnx: The model has no dimension "bach"'),
    })
  })

  it('takes int32 for inputs of int64 when asked to, which the GPU can work on', async () => {
    await write(
      buildModel((g) => {
        const mask = g.input('mask', 'int64', ['n'])
        g.output('y', g.op('Relu', [g.op('Cast', [mask], { to: 1 })]))
      }),
    )
    const asItIs = await compile('fused')
    expect(asItIs.inputs).toEqual([{ name: 'mask', type: 'int64', shape: ['n'] }])
    expect(asItIs.report.placement.whollyOnGpu).toBe(false)
    for (const narrow of [await compile('fused&int64Inputs=int32'), await compile('fused', { int64Inputs: 'int32' })]) {
      expect(narrow.inputs).toEqual([{ name: 'mask', type: 'int32', shape: ['n'] }])
      expect(narrow.report).toMatchObject({
        nodes: { after: 2 },
        placement: { whollyOnGpu: true },
        verification: { status: 'verified' },
      })
    }
    const not = await compile('fused&int64Inputs=int64', { int64Inputs: 'int32' })
    expect(not.inputs[0]?.type).toBe('int64')
  })

  it('lets activations be floats when asked to, and says how the outputs change', async () => {
    const zero = Tensor.fromNumbers('uint8', [], [128])
    await write(
      buildModel((g) => {
        const quantised = g.op('QuantizeLinear', [g.op('Tanh', [g.input('x', 'float32', [64])]), 0.05, zero])
        g.output('y', g.op('Neg', [g.op('DequantizeLinear', [quantised, 0.05, zero])]))
      }),
    )
    const quantised = await compile('fused')
    expect(quantised.report.placement.cpu).toBeGreaterThan(0)
    expect(quantised.report.quantization).toBeUndefined()
    for (const floats of [await compile('fused&qdq=weights'), await compile('fused', { qdq: 'weights' })]) {
      expect(floats.key).not.toBe(quantised.key)
      expect(floats.report).toMatchObject({
        nodes: { before: 4, after: 2 },
        placement: { whollyOnGpu: true },
        quantization: { pairs: 1, status: 'compared' },
      })
      // Half a step, and no more.
      expect(floats.report.quantization?.maxAbsError).toBeGreaterThan(1e-3)
      expect(floats.report.quantization?.maxAbsError).toBeLessThan(0.026)
    }
    const unasked = await compile('fused&verify=false&qdq=weights')
    expect(unasked.report.quantization).toEqual({ pairs: 1, status: 'off' })
    const kept = await compile('fused&qdq=keep', { qdq: 'weights' })
    expect(kept.report.quantization).toBeUndefined()
  })

  it('keeps to the operators of the standard when asked to', async () => {
    await write(
      buildModel((g) => {
        const x = g.input('x', 'float32', [8])
        g.output('y', g.op('Mul', [x, g.op('Sigmoid', [x])]))
      }),
    )
    expect((await compile('fused&target=onnx')).report.nodes.after).toBe(2)
    expect((await compile('fused')).report.nodes.after).toBe(1)
  })

  it('stores the weights of a changed model in one new file, those of an unchanged one as they are', async () => {
    await writeInTwo(convBatchNorm(), 'weights.bin')
    const fused = await compile()
    await expectWhole(fused)
    expect(fused.externalData).toEqual([
      expect.objectContaining({ path: 'net.data', name: expect.stringMatching(/^net\.[\da-f]{8}\.data$/) }),
    ])
    expect(fused.report).toMatchObject({ nodes: { after: 1 }, verification: { status: 'verified' } })
    const [data] = fused.externalData
    const places: string[] = []
    const { graph } = decode(await readFile(fused.model.file), {
      readExternalData: ({ location, offset, length }) => {
        places.push(location)
        expect(offset + length).toBeLessThanOrEqual(data?.bytes ?? 0)
        return new Uint8Array(length)
      },
    })
    for (const { initializer } of graph.initializers) initializer?.toNumbers()
    expect(new Set(places)).toEqual(new Set(['net.data']))

    const original = await compile('onnx')
    await expectWhole(original)
    expect(original.externalData).toEqual([expect.objectContaining({ path: 'weights.bin' })])
    expect(await readFile(original.externalData[0]?.file ?? '')).toEqual(
      await readFile(path.join(folder, 'weights.bin')),
    )
  })

  it('does not verify a model whose weights are past 2 GiB, and says so', async () => {
    await writeInTwo(convBatchNorm(), 'net.data')
    // Sparse: it takes no room on the disk. The cache holds only the weights that the model uses.
    await truncate(path.join(folder, 'net.data'), 2 ** 31 + 1)
    const compiled = await compile()
    expect(compiled.report).toMatchObject({
      nodes: { after: 1 },
      verification: { status: 'not-verified', reason: 'its weights are larger than 2 GiB' },
    })
    expect(compiled.report.bytes.after).toBeLessThan(10_000)
  })

  it('names shader-f16 for a model that computes in float16', async () => {
    await write(
      buildModel((g) => {
        const half = g.op('Cast', [g.input('x', 'float32', [4])], { to: 10 })
        g.output('y', g.op('Cast', [g.op('Add', [half, half])], { to: 1 }))
      }),
    )
    expect((await compile()).features).toEqual(['shader-f16'])
  })

  it('names the nodes whose WebGPU kernels fail', async () => {
    await write(
      buildModel((g) => {
        const attributes = { kernel_shape: [2, 2] }
        const x = g.op('Relu', [g.input('x', 'float32', [1, 3, 8, 8])])
        const [y, indices] = g.node('MaxPool', [x], attributes, { name: 'pool', outputs: 2 }).outputs
        if (y) g.output('y', y)
        if (indices) g.output('indices', indices)
      }),
    )
    const { cpuNodes, report } = await compile()
    expect(cpuNodes).toEqual(['pool'])
    expect(report.placement.cpu).toBe(1)
  })
})

describe('the cache', () => {
  it('answers for the same content, and for nothing else', async () => {
    await writeInTwo(convBatchNorm(), 'net.data')
    const first = await compile()
    const second = await compile()
    expect(second).toEqual({ ...first, cached: true })
    expect((await compile('fused', { verify: { tolerance: 0.5 } })).cached).toBe(false)
    expect((await compile('fused&skip=dropout')).cached).toBe(false)
    expect((await compile('onnx')).cached).toBe(false)
    // Elsewhere under the same name it is the same model.
    const copy = path.join(folder, 'copy')
    await mkdir(copy)
    for (const name of ['net.onnx', 'net.data']) await cp(path.join(folder, name), path.join(copy, name))
    file = path.join(copy, 'net.onnx')
    expect(await compile()).toEqual({ ...first, source: file, cached: true })
    // The weights alone differ.
    const { externalChunks = [] } = encode(convBatchNorm(2), { externalLocation: 'net.data' })
    await writeFile(path.join(copy, 'net.data'), concatenate(externalChunks))
    const other = await compile()
    expect(other.cached).toBe(false)
    expect(other.externalData[0]?.sha256).not.toBe(first.externalData[0]?.sha256)
    expect(await entries()).toHaveLength(5)
  })

  it.each([
    ['a truncated model', (compiled: CompiledModel) => truncate(compiled.model.file, 100)],
    [
      'another byte in the model',
      async ({ model }: CompiledModel) => {
        const bytes = await readFile(model.file)
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
        await writeFile(model.file, bytes)
      },
    ],
    ['a missing model', ({ model }: CompiledModel) => rm(model.file)],
    [
      'a broken description',
      ({ model }: CompiledModel) => writeFile(path.join(path.dirname(model.file), 'entry.json'), '{ "fil'),
    ],
    ['no description', ({ model }: CompiledModel) => rm(path.join(path.dirname(model.file), 'entry.json'))],
  ])('mends %s', async (_, damage) => {
    await write(convBatchNorm())
    const first = await compile()
    await damage(first)
    const second = await compile()
    expect(second).toMatchObject({ cached: false, model: first.model })
    await expectWhole(second)
    expect((await compile()).cached).toBe(true)
    expect(await entries()).toEqual([first.key])
  })

  it('compiles a model once that is asked for many times at once', async () => {
    await write(convBatchNorm())
    const all = await Promise.all(Array.from({ length: 10 }, () => compile()))
    expect(all.filter(({ cached }) => !cached)).toHaveLength(1)
    for (const compiled of all) expect(compiled.model).toEqual(all[0]?.model)
    expect(await entries()).toEqual([all[0]?.key])
  })

  it('holds nothing of a model that fails, and takes it once it is mended', async () => {
    await writeFile(file, 'nonsense')
    await expect(compile()).rejects.toMatchObject({ code: 'not-onnx' })
    await write(convBatchNorm())
    await expect(compile('fused&only=nothing')).rejects.toMatchObject({ code: 'unknown-fusion' })
    expect(await entries()).toEqual([])
    expect((await compile()).cached).toBe(false)
  })
})
