import { describe, expect, it } from 'vitest'
import { normalize } from '../../test/support/batch-norm.ts'
import { findNode, findValue, operators } from '../../test/support/find.ts'
import { fuseAndCompare } from '../../test/support/fuse-and-compare.ts'
import { floats, modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { Random } from '../../test/support/run-model.ts'
import { buildModel, concatenate, decode, encode, type GraphBuilder, lint, Tensor } from '../graph/index.ts'
import { defineFusion } from './define-fusion.ts'
import { FusionError } from './errors.ts'
import { fuse, fusionNames } from './fuse.ts'
import { any, node } from './pattern.ts'

const random = new Random(9)

/** Two convolutions with batch norms and an identity between. */
const chain = (g: GraphBuilder): void => {
  let value = g.input('x', 'float32', [1, 2, 4, 4])
  for (const index of [1, 2]) {
    const conv = g.op('Conv', [value, random.tensor([2, 2, 1, 1])], {}, { name: `conv${index}` })
    value = g.op('Identity', [normalize(g, conv, 2, { name: `norm${index}` })])
  }
  g.output('y', g.op('Relu', [value]))
}

it('goes by the kernels of the release that the model is to run on', () => {
  const build = (g: GraphBuilder): void => {
    g.output('y', g.op('LRN', [g.input('x', 'float32', [1, 4, 5, 5])], { size: 3 }))
  }
  const fused = (runtime?: string) => fuse(buildModel(build, { opset: 19 }), runtime === undefined ? {} : { runtime })
  expect(operators(fused('1.27.0').model)).toEqual(['LRN'])
  expect(fused('1.27.0').report.nearMisses.map(({ reason }) => reason)).toEqual([
    'AveragePool has no WebGPU kernel for float32 in opset 19 either',
  ])
  expect(operators(fused('1.30.0').model)).toContain('AveragePool')
  expect(operators(fused().model)).toContain('AveragePool')
})

it('gives no two nodes one name', () => {
  const twice = defineFusion({
    name: 'twice',
    roots: ['Relu'],
    rewrite: (root, g) => g.op('Neg', [g.op('Neg', root.inputs, {}, { like: root })], {}, { like: root }),
  })
  const build = (g: GraphBuilder) => g.output('y', g.op('Relu', [g.input('x')], {}, { name: 'relu' }))
  const { model } = fuse(buildModel(build), { only: ['twice'], fusions: [twice] })
  expect([...model.graph.nodes].map(({ name }) => name)).toEqual(['relu', expect.stringMatching(/^relu_/)])
})

describe('only and skip', () => {
  const fired = (options: Parameters<typeof fuse>[1]): Record<string, number> =>
    fuse(buildModel(chain), options).report.fusions

  it('choose among the fusions', () => {
    expect(fired({ only: ['identity'] })).toEqual({ identity: 2 })
    expect(fired({ only: ['identity', 'conv-batch-norm'] })).toEqual({ identity: 2, 'conv-batch-norm': 2 })
    expect(fired({ only: ['identity', 'conv-batch-norm'], skip: ['identity'] })).toEqual({ 'conv-batch-norm': 2 })
    expect(fired({ only: [] })).toEqual({})
    expect(fired({ skip: ['identity'] })).not.toHaveProperty('identity')
    expect(fired({ skip: fusionNames })).toEqual({})
  })

  it('refuse a name that no fusion has, and suggest the nearest', () => {
    for (const options of [{ only: ['conv-batchnorm'] }, { skip: ['conv-batchnorm'] }]) {
      const run = () => fuse(buildModel(chain), options)
      expect(run).toThrow(FusionError)
      expect(run).toThrow(
        expect.objectContaining({
          code: 'unknown-fusion',
          fusion: 'conv-batchnorm',
          message: expect.stringMatching(
            /no fusion "conv-batchnorm"\. Did you mean "conv-batch-norm"\? Known: .*identity/,
          ),
        }),
      )
    }
    expect(() => fuse(buildModel(chain), { only: ['xxxxxxxxxxxxxxxxxxxxxxxx'] })).toThrow(/^(?!.*Did you mean).*Known/)
  })

  it('know the fusions of the user by name as well', () => {
    const mine = defineFusion({
      name: 'my-relu',
      pattern: node('Relu', [any()]),
      replace: (match, g) => g.op('Abs', [match.root.inputs[0]]),
    })
    expect(fired({ fusions: [mine], only: ['my-relu'] })).toEqual({ 'my-relu': 1 })
    expect(fired({ fusions: [mine], skip: ['my-relu'], only: [] })).toEqual({})
  })

  it('have names for all fusions, each once', () => {
    expect(fusionNames).toEqual(
      expect.arrayContaining([
        'inline-function',
        'conv-batch-norm',
        'conv-transpose-batch-norm',
        'gemm-batch-norm',
        'matmul-batch-norm',
        'dropout',
        'identity',
        'dead-node',
        'unused-initializer',
      ]),
    )
    expect(new Set(fusionNames).size).toBe(fusionNames.length)
  })
})

describe('maxRewrites', () => {
  it('stops after so many, which is how a wrong one is found', async () => {
    const only = ['identity', 'conv-batch-norm']
    const all = fuse(buildModel(chain), { only }).report
    expect(all.rewrites).toBe(4)
    expect(all.steps.map(({ node }) => node)).toEqual(expect.arrayContaining(['norm1', 'norm2']))
    for (let maxRewrites = 0; maxRewrites <= 5; maxRewrites++) {
      const { report } = await fuseAndCompare(buildModel(chain), { only, maxRewrites })
      expect(report.rewrites).toBe(Math.min(maxRewrites, 4))
      expect(report.steps).toEqual(all.steps.slice(0, maxRewrites))
    }
  })
})

describe('a model with nothing to do', () => {
  it('comes back itself, and is written byte for byte', () => {
    const bytes = modelBytes({ input: values('x'), output: values('y'), node: [nodeProto('Relu', ['x'], ['y'])] })
    const model = decode(bytes)
    const { model: fused, report } = fuse(model)
    expect(fused).toBe(model)
    expect(encode(fused).chunks[0]).toBe(bytes)
    expect(report).toEqual({ nodes: { before: 1, after: 1 }, fusions: {}, nearMisses: [], rewrites: 0, steps: [] })
  })

  it('comes back itself when calls were inlined and nothing else: the runtime does that too', () => {
    const functions = [
      {
        name: 'F',
        domain: 'f',
        input: ['a'],
        output: ['b'],
        node: [nodeProto('Relu', ['a'], ['b'])],
        opsetImport: [{ domain: '', version: 17 }],
      },
    ]
    const opsetImport = [
      { domain: '', version: 17 },
      { domain: 'f', version: 1 },
    ]
    const node = [nodeProto('F', ['x'], ['y'], { domain: 'f' })]
    const model = decode(modelBytes({ input: values('x'), output: values('y'), node }, { functions, opsetImport }))
    expect(fuse(model).model).toBe(model)
  })

  it('comes back itself when a fusion of the user built something that cannot stand there', () => {
    const model = decode(
      modelBytes({ input: values('x'), output: values('y'), node: [nodeProto('Relu', ['x'], ['y'])] }),
    )
    const constant = defineFusion({ name: 'always-one', roots: ['Relu'], rewrite: (_, g) => g.constant([1]) })
    const { model: fused, report } = fuse(model, { fusions: [constant] })
    expect(fused).toBe(model)
    expect(report.nearMisses).toContainEqual({
      fusion: 'always-one',
      node: 'Relu(y)',
      reason: expect.stringMatching(/would become an initializer/),
    })
  })

  it('comes back itself when it is a training graph, and the report says so', () => {
    const model = buildModel(chain)
    const bytes = concatenate(encode(model).chunks)
    const training = decode(bytes)
    Object.assign(training.proto, { trainingInfo: [{ algorithm: { name: 'step' } }] })
    const { model: fused, report } = fuse(training)
    expect(fused).toBe(training)
    expect(report.nearMisses).toEqual([{ fusion: '*', node: 'graph', reason: expect.stringMatching(/training graph/) }])
  })
})

it('a model without outputs comes back itself, not empty', () => {
  const model = buildModel((g) => g.op('Identity', [g.input('x', 'float32', [2])]))
  const { model: fused, report } = fuse(model)
  expect(fused).toBe(model)
  expect(report.nearMisses).toEqual([{ fusion: '*', node: 'graph', reason: expect.stringMatching(/no outputs/) }])
})

describe('unused-initializer', () => {
  const only = ['unused-initializer']

  it('removes initializers that nothing uses, in nested graphs too, and no others', () => {
    const model = buildModel((g) => {
      const [used, output, captured] = ['used', 'output', 'captured'].map((name) => g.constant([1], { name }))
      g.constant([1], { name: 'unused' })
      const input = g.input('default', 'float32', [1])
      g.graph.setDefault(input, Tensor.fromNumbers('float32', [1], [1]))
      if (!used || !output || !captured) throw new Error('three were built')
      const body = g.subgraph((b) => {
        b.constant([1], { name: 'unused inside' })
        b.output('n', b.op('Neg', [captured]))
      })
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: body }))
      g.output('z', g.op('Relu', [used]))
      g.output('output', output)
    })
    const { model: fused, report } = fuse(model, { only })
    expect(report.fusions).toEqual({ 'unused-initializer': 2 })
    expect([...fused.graph.initializers].map(String).sort()).toEqual(['captured', 'default', 'output', 'used'])
    expect(findNode(fused, 'If').subgraphs[0]?.initializers.size).toBe(0)
    expect([...model.graph.initializers].map(String)).toContain('unused')
  })

  it('keeps sparse initializers', () => {
    const indices = { dims: [1], dataType: 7, int64Data: [0] }
    const bytes = modelBytes({
      input: values('x'),
      output: values('y'),
      initializer: [floats('unused', [1], [1])],
      sparseInitializer: [{ values: floats('s', [1], [5]), indices, dims: [2] }],
      node: [nodeProto('Add', ['x', 's'], ['y'])],
    })
    const read = decode(concatenate(encode(fuse(decode(bytes)).model).chunks))
    expect(read.graph.initializers.size).toBe(0)
    expect(read.graph.proto.sparseInitializer).toHaveLength(1)
    lint(read.graph)
  })
})

describe('whatever is fused', () => {
  it('keeps names of inputs and outputs, and of nodes that survive', () => {
    const model = buildModel(chain)
    // The two convolutions would become one.
    const { model: fused } = fuse(model, { skip: ['conv-conv'] })
    expect(fused.graph.inputs.map(String)).toEqual(['x'])
    expect(fused.graph.outputs.map(String)).toEqual(['y'])
    expect(findNode(fused, 'conv1').op).toBe('Conv')
    expect(findNode(fused, 'conv2').op).toBe('Conv')
  })

  it('keeps operators of unknown domains and what they take, in every place', () => {
    const build = (g: GraphBuilder): void => {
      const conv = g.op('Conv', [g.input('x', 'float32', [1, 2, 4, 4]), g.constant(random.tensor([2, 2, 1, 1]))])
      g.op('Watch', [conv], {}, { domain: 'my.domain', name: 'watch' })
      g.output('y', normalize(g, conv, 2))
    }
    const { model, report } = fuse(buildModel(build, { opsets: { 'my.domain': 1 } }))
    expect(operators(model)).toEqual(['Conv', 'my.domain::Watch', 'BatchNormalization'])
    expect(report.nearMisses).toContainEqual({
      fusion: 'conv-batch-norm',
      node: 'norm',
      reason: expect.stringMatching(/has 2 users: watch, norm|has 2 users: norm, watch/),
    })
  })

  it('keeps a graph input that nobody uses any more: callers give it', () => {
    const model = buildModel((g) => {
      const unused = g.input('unused')
      g.op('Exp', [unused])
      g.output('y', g.op('Relu', [g.input('x')]))
    })
    const { model: fused } = fuse(model)
    expect(operators(fused)).toEqual(['Relu'])
    expect(fused.graph.inputs.map(String)).toEqual(['unused', 'x'])
  })

  it('drops value infos and quantization annotations of what is gone, and keeps the others', () => {
    const model = decode(concatenate(encode(buildModel(chain)).chunks))
    const kept = findValue(model, 'y').producer?.inputs[0]?.name ?? ''
    const gone = findNode(model, 'conv1').output.name
    Object.assign(model.graph.proto, {
      quantizationAnnotation: [{ tensorName: gone }, { tensorName: 'x' }],
    })
    const { model: fused } = fuse(model, { only: ['conv-batch-norm'] })
    const read = decode(concatenate(encode(fused).chunks))
    expect(read.graph.proto.quantizationAnnotation?.map(({ tensorName }) => tensorName)).toEqual(['x'])
    expect(findValue(read, kept).name).toBe(kept)
  })

  it('gives the same bytes each time', () => {
    const bytes = concatenate(encode(buildModel(chain)).chunks)
    const once = () => concatenate(encode(fuse(decode(bytes)).model).chunks)
    expect(once()).toEqual(once())
  })
})
