import { onnx as independent } from 'onnx-proto'
import protobuf from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import {
  floats,
  type GraphProto,
  type ModelProto,
  modelBytes,
  nodeProto,
  values,
} from '../../test/support/model-proto.ts'
import { Random, runModel } from '../../test/support/run-model.ts'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { type ElementType, elementTypes } from './element-type.ts'
import { concatenate, encode } from './encode.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'
import { onnx } from './proto/onnx.js'
import { byteLength, Tensor } from './tensor.ts'

/** Fields which no schema has yet, as raw bytes: one more in each message. */
let lastField = 1000
const unknown = (): { $unknowns: Uint8Array[] } => ({
  $unknowns: [
    protobuf.Writer.create()
      .uint32((++lastField << 3) | 2)
      .string(`later ${lastField}`)
      .finish(),
  ],
})
const metadataProps = (key: string) => [{ key, value: 'kept', ...unknown() }]

const readMessage = (bytes: Uint8Array): onnx.ModelProto => {
  // A plain Uint8Array: of a Buffer, every field would be one too.
  const reader = protobuf.Reader.create(new Uint8Array(bytes))
  reader.discardUnknown = false
  return onnx.ModelProto.decode(reader)
}

const tensorType = (name: string, rest: onnx.ValueInfoProto.$Properties = {}): onnx.ValueInfoProto.$Properties => ({
  name,
  docString: `doc of ${name}`,
  metadataProps: metadataProps(name),
  type: {
    denotation: 'IMAGE',
    tensorType: {
      elemType: 1,
      shape: { dim: [{ dimParam: 'batch', denotation: 'DATA_BATCH', ...unknown() }, { dimValue: 2 }], ...unknown() },
      ...unknown(),
    },
    ...unknown(),
  },
  ...rest,
  ...unknown(),
})

/** A model with everything in it that a rewrite must carry along. */
function fullModel(): { graph: GraphProto; model: ModelProto } {
  const raw = (name: string, size = 4) => ({
    name,
    dims: [size],
    dataType: 2,
    rawData: Uint8Array.from({ length: size }, (_, index) => index),
    docString: 'a weight',
    metadataProps: metadataProps(name),
    ...unknown(),
  })
  const then = {
    name: 'then',
    docString: 'a branch',
    metadataProps: metadataProps('then'),
    input: [],
    output: [tensorType('n')],
    valueInfo: [tensorType('m')],
    initializer: [raw('inner')],
    quantizationAnnotation: [{ tensorName: 'm', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'inner' }] }],
    node: [nodeProto('Cast', ['inner'], ['m']), nodeProto('Add', ['m', 'r'], ['n'])],
    ...unknown(),
  }
  const graph: GraphProto = {
    name: 'main',
    docString: 'the graph',
    metadataProps: metadataProps('graph'),
    input: [tensorType('x'), tensorType('d')],
    output: [tensorType('y'), tensorType('s')],
    valueInfo: [
      tensorType('w', { type: { tensorType: { elemType: 2, shape: { dim: [{ dimValue: 4 }] } } } }),
      tensorType('r'),
    ],
    initializer: [
      floats('d', [2], [1, 2]),
      raw('w'),
      raw('large', 5000),
      { ...floats('typed', [2], [3, 4]), ...unknown() },
    ],
    sparseInitializer: [
      {
        values: floats('sparse', [1], [5]),
        indices: { name: 'sparse_indices', dims: [1], dataType: 7, int64Data: [1] },
        dims: [2],
      },
    ],
    quantizationAnnotation: [
      { tensorName: 'r', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'd' }], ...unknown() },
    ],
    node: [
      nodeProto('Custom', ['x', 'w', '', 'large', 'typed', 'sparse'], ['r'], {
        name: 'custom',
        domain: 'my.domain',
        overload: 'second',
        docString: 'a node',
        metadataProps: metadataProps('custom'),
        attribute: [
          { name: 'f', type: 1, f: 0.5, docString: 'a float', ...unknown() },
          { name: 'i', type: 2, i: 7 },
          { name: 's', type: 3, s: Uint8Array.of(1, 255) },
          { name: 't', type: 4, t: raw('attribute tensor'), ...unknown() },
          { name: 'fs', type: 6, floats: [1, 2.5] },
          { name: 'is', type: 7, ints: [1, -2] },
          { name: 'ss', type: 8, strings: [Uint8Array.of(65), Uint8Array.of(66, 67)] },
          { name: 'ts', type: 9, tensors: [raw('one of several')] },
          { name: 'tp', type: 13, tp: { tensorType: { elemType: 1 } } },
        ],
        ...unknown(),
      }),
      nodeProto('Plain', ['r'], ['', 's'], {
        domain: 'my.domain',
        attribute: [{ name: 'i', type: 2, i: 7, ...unknown() }],
        ...unknown(),
      }),
      nodeProto('If', ['x'], ['y'], {
        attribute: [
          { name: 'then_branch', type: 5, g: then, docString: 'a branch', ...unknown() },
          { name: 'cases', type: 10, graphs: [then, { ...then, name: 'again' }] },
        ],
      }),
    ],
    ...unknown(),
  }
  const model: ModelProto = {
    irVersion: 10,
    producerName: 'a test',
    producerVersion: '1',
    domain: 'org.example',
    modelVersion: 3,
    docString: 'the model',
    metadataProps: metadataProps('model'),
    opsetImport: [
      { domain: '', version: 18 },
      { domain: 'my.domain', version: 2 },
    ],
    functions: [
      {
        name: 'f',
        domain: 'my.functions',
        input: ['a'],
        output: ['b'],
        node: [nodeProto('Relu', ['a'], ['b'])],
        metadataProps: metadataProps('function'),
        ...unknown(),
      },
    ],
    trainingInfo: [{ algorithm: { name: 'step', node: [nodeProto('Relu', ['a'], ['b'])] } }],
    ...unknown(),
  }
  return { graph, model }
}

const fullBytes = (): Uint8Array => {
  const { graph, model } = fullModel()
  return modelBytes(graph, model)
}

const rewritten = (bytes: Uint8Array, change: (model: Model) => void = () => {}): Uint8Array => {
  const model = decode(bytes)
  model.markChanged()
  change(model)
  return concatenate(encode(model).chunks)
}

describe('an unchanged model', () => {
  it('is its source, the very same bytes', () => {
    const bytes = fullBytes()
    const { chunks, externalChunks } = encode(decode(bytes))
    expect(chunks).toHaveLength(1)
    expect(chunks[0]).toBe(bytes)
    expect(externalChunks).toBeUndefined()
  })
})

describe('a changed model', () => {
  it('keeps everything that was not changed, fields of later releases in every message included', () => {
    const bytes = fullBytes()
    expect(readMessage(rewritten(bytes))).toEqual(readMessage(bytes))
  })

  it('is written the same a second time', () => {
    const once = rewritten(fullBytes())
    expect(rewritten(once)).toEqual(once)
  })

  it('drops value infos and quantization annotations of values that are gone, and no others', () => {
    const bytes = rewritten(fullBytes(), ({ graph }) => {
      const [custom, plain] = graph.nodes
      const x = graph.inputs[0]
      if (custom === undefined || plain === undefined || x === undefined) throw new Error('the model has changed')
      graph.replaceAllUsesWith(custom.output, x)
      graph.eraseNode(custom)
    })
    const { graph } = readMessage(bytes)
    expect(graph?.valueInfo?.map(({ name }) => name)).toEqual(['w'])
    expect(graph?.quantizationAnnotation).toEqual([])
    const inner = graph?.node?.[1]?.attribute?.[0]?.g
    expect(inner?.quantizationAnnotation?.map(({ tensorName }) => tensorName)).toEqual(['m'])
  })

  it('writes what was changed', () => {
    const bytes = rewritten(fullBytes(), ({ graph }) => {
      const [custom] = graph.nodes
      custom?.setAttribute('i', 8)
      custom?.deleteAttribute('f')
      if (custom) custom.name = 'renamed'
    })
    const node = readMessage(bytes).graph?.node?.[0]
    expect(node?.name).toBe('renamed')
    expect(node?.attribute?.map(({ name }) => name)).not.toContain('f')
    expect(Number(node?.attribute?.find(({ name }) => name === 'i')?.i)).toBe(8)
  })

  it('has no opset imports where its IR version knows none', () => {
    const bytes = modelBytes({ input: values('x'), output: values('x') }, { irVersion: 2, opsetImport: [] })
    expect(readMessage(rewritten(bytes)).opsetImport).toEqual([])
  })

  it.each((Object.keys(elementTypes) as ElementType[]).filter((type) => type !== 'string'))(
    'holds a %s tensor in raw bytes and reads it back',
    (type) => {
      const dims = [3]
      const bytes = Uint8Array.from({ length: byteLength(type, dims) }, (_, index) => index % 2)
      const model = buildModel((g) => {
        g.output('y', g.op('Custom', [g.constant(Tensor.fromBytes(type, dims, bytes), { name: 'w' })]))
      })
      const [w] = decode(concatenate(encode(model).chunks)).graph.initializers
      expect([w?.name, w?.initializer?.elementType, w?.initializer?.dims]).toEqual(['w', type, dims])
      expect(w?.initializer?.bytes).toEqual(bytes)
    },
  )

  it('holds strings', () => {
    const model = buildModel((g) => {
      g.output('y', g.op('Custom', [g.constant(Tensor.fromStrings([2], ['ä', 'b']))]))
    })
    const [w] = decode(concatenate(encode(model).chunks)).graph.initializers
    expect(w?.initializer?.proto?.stringData).toEqual([new TextEncoder().encode('ä'), new TextEncoder().encode('b')])
  })
})

describe('weights', () => {
  const size = 4096
  const raw = (name: string) => ({ name, dims: [size], dataType: 2, rawData: new Uint8Array(size).fill(7) })
  const inner: GraphProto = {
    initializer: [raw('v')],
    node: [
      nodeProto('Constant', [], ['k'], { attribute: [{ name: 'value', type: 4, t: raw('t') }] }),
      nodeProto('Add', ['v', 'k'], ['n']),
    ],
    output: values('n'),
  }
  const file = modelBytes({
    input: values('x'),
    output: values('y', 'w'),
    initializer: [raw('w')],
    node: [nodeProto('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', type: 5, g: inner }] })],
  })

  it('go through a rewrite as views of the file, in initializers, constants and nested graphs', () => {
    const model = decode(file)
    model.markChanged()
    const { chunks } = encode(model)
    const views = chunks.filter((chunk) => chunk.buffer === file.buffer)
    expect(views.map(({ length }) => length)).toEqual([size, size, size])
    expect(chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(3 * size + 1024)
    lint(decode(concatenate(chunks)).graph)
  })

  it('move to one external file where that is asked for, each at a multiple of 64 bytes, views still', () => {
    const odd = modelBytes({
      output: values('a', 'b', 'small', 's'),
      initializer: [
        { ...raw('a'), dims: [1025], rawData: new Uint8Array(1025).fill(1) },
        {
          ...floats(
            'b',
            [300],
            Array.from({ length: 300 }, (_, index) => index),
          ),
          docString: 'kept',
        },
        floats('small', [2], [1, 2]),
        { name: 's', dims: [1], dataType: 8, stringData: [new Uint8Array(2000)] },
      ],
    })
    const { chunks, externalChunks = [] } = encode(decode(odd), { externalLocation: 'weights.data' })
    expect(externalChunks[0]?.buffer).toBe(odd.buffer)
    const external = concatenate(externalChunks)
    const asked: unknown[] = []
    const model = decode(concatenate(chunks), {
      readExternalData: (place) => {
        asked.push(place)
        return external.subarray(place.offset, place.offset + place.length)
      },
    })
    const [a, b, small, s] = [...model.graph.initializers].map((value) => value.initializer)
    expect(a?.bytes).toEqual(new Uint8Array(1025).fill(1))
    expect(b?.toNumbers()).toEqual(Float64Array.from({ length: 300 }, (_, index) => index))
    expect(b?.proto?.docString).toBe('kept')
    expect([small?.external, s?.external]).toEqual([undefined, undefined])
    expect(asked).toEqual([
      { location: 'weights.data', offset: 0, length: 1025 },
      { location: 'weights.data', offset: 1088, length: 1200 },
    ])
  })

  it('go to a file each when each gets a name of its own, but for those of nested graphs', () => {
    const { chunks, externalChunks = [] } = encode(decode(file), { externalLocation: (weight) => `w${weight}` })
    expect(externalChunks).toEqual([new Uint8Array(size).fill(7)])
    expect(chunks.filter(({ length }) => length === size)).toHaveLength(2)
    const places: unknown[] = []
    const model = decode(concatenate(chunks), {
      readExternalData: (place) => {
        places.push(place)
        return externalChunks[0] ?? new Uint8Array(0)
      },
    })
    expect([...model.graph.initializers].map(({ initializer }) => initializer?.bytes)).toEqual(externalChunks)
    expect(places).toEqual([{ location: 'w0', offset: 0, length: size }])
  })

  it('outside the file come into it when the model is rewritten without an external file', () => {
    const { chunks, externalChunks = [] } = encode(decode(file), { externalLocation: 'w.bin' })
    const external = concatenate(externalChunks)
    const model = decode(concatenate(chunks), {
      readExternalData: ({ offset, length }) => external.subarray(offset, offset + length),
    })
    model.markChanged()
    const whole = decode(concatenate(encode(model).chunks))
    const [w] = whole.graph.initializers
    expect(w?.initializer?.external).toBeUndefined()
    expect(w?.initializer?.bytes).toEqual(new Uint8Array(size).fill(7))
  })

  it('outside the file stay untouched while the model is unchanged', () => {
    const { chunks } = encode(decode(file), { externalLocation: 'w.bin' })
    const bytes = concatenate(chunks)
    // No reader is given: reading a weight would throw.
    expect(encode(decode(bytes)).chunks).toEqual([bytes])
  })
})

describe('an independent reader (onnx-proto)', () => {
  const model = () =>
    buildModel((g) => {
      const x = g.input('x', 'float32', ['batch', 3])
      const w = g.constant(new Random(1).tensor([3, 500]), { name: 'w' })
      const product = g.op('MatMul', [x, w], {}, { name: 'product' })
      g.output('y', g.op('LeakyRelu', [product], { alpha: 0.5 }, { name: 'leaky' }))
    })

  it('reads the same nodes, attributes, initializers, inputs, outputs and opsets', () => {
    const built = model()
    const read = independent.ModelProto.decode(concatenate(encode(built).chunks))
    expect(Number(read.irVersion)).toBe(8)
    expect(read.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([['', 17]])
    const [product, leaky] = read.graph?.node ?? []
    expect([product?.name, product?.opType, product?.input]).toEqual(['product', 'MatMul', ['x', 'w']])
    expect([leaky?.name, leaky?.opType, leaky?.output]).toEqual(['leaky', 'LeakyRelu', ['y']])
    expect(leaky?.attribute?.map(({ name, type, f }) => [name, type, f])).toEqual([['alpha', 1, 0.5]])
    const [w] = read.graph?.initializer ?? []
    expect([w?.name, w?.dataType, w?.dims?.map(Number)]).toEqual(['w', 1, [3, 500]])
    const bytes = [...built.graph.initializers][0]?.initializer?.bytes
    expect(Uint8Array.from(w?.rawData ?? [])).toEqual(bytes)
    const dims = read.graph?.input?.[0]?.type?.tensorType?.shape?.dim
    expect(dims?.map(({ dimParam, dimValue }) => dimParam || Number(dimValue))).toEqual(['batch', 3])
    expect(read.graph?.output?.map(({ name }) => name)).toEqual(['y'])
  })

  it('and so does the runtime', async () => {
    const x = new Random(2).tensor([2, 3])
    const { y } = await runModel(concatenate(encode(model()).chunks), { x })
    expect(y?.dims).toEqual([2, 500])
  })
})
