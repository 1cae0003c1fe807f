/**
 * The PyTorch tutorial "Building a Convolution/Batch Norm fuser in FX", part by part, on its model M as torch exports it:
 * x → conv1 → bn1 → conv2 → Sequential(bn, conv) → wrapped bn, 1×1 kernels, one channel.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { findNode, findValue, operators } from '../../test/support/find.ts'
import { fuseAndCompare } from '../../test/support/fuse-and-compare.ts'
import { modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { expectSameOutputs, Random } from '../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  inlineFunctions,
  lint,
  type Model,
  print,
  type Value,
} from '../graph/index.ts'
import { fuse } from './fuse.ts'
import { fuseBatchNormWeights } from './linear/fuse-batch-norm-weights.ts'

/** What the tutorial fuses; the rest of the project may do more. */
const only = ['conv-batch-norm']

const random = new Random(2021)

const conv = (g: GraphBuilder, x: Value, path: string): Value =>
  g.op(
    'Conv',
    [
      x,
      g.constant(random.tensor([1, 1, 1, 1]), { name: `${path}.weight` }),
      g.constant(random.tensor([1]), { name: `${path}.bias` }),
    ],
    { dilations: [1, 1], group: 1, kernel_shape: [1, 1], pads: [0, 0, 0, 0], strides: [1, 1] },
    { name: `/${path}/Conv`, outputs: [`/${path}/Conv_output_0`] },
  )

const bn = (g: GraphBuilder, x: Value, path: string): Value => {
  const parameter = (name: string, range?: [number, number]) =>
    g.constant(random.tensor([1], 'float32', range), { name: `${path}.${name}` })
  return g.op(
    'BatchNormalization',
    [
      x,
      parameter('weight', [0.5, 2]),
      parameter('bias'),
      parameter('running_mean'),
      parameter('running_var', [0.5, 2]),
    ],
    { epsilon: 1e-5, momentum: 0.9, training_mode: 0 },
    { name: `/${path}/BatchNormalization`, outputs: [`/${path}/BatchNormalization_output_0`] },
  )
}

const buildM = (): Model =>
  buildModel((g) => {
    const x = g.input('inp', 'float32', [5, 1, 1, 1])
    const first = bn(g, conv(g, x, 'conv1'), 'bn1')
    const second = conv(g, first, 'conv2')
    const nested = conv(g, bn(g, second, 'nested/nested.0'), 'nested/nested.1')
    g.output('out', bn(g, nested, 'wrapped/mod'))
  })

describe('the tutorial', () => {
  let source: Uint8Array
  let model: Model
  beforeAll(() => {
    source = concatenate(encode(buildM()).chunks)
    model = decode(source)
  })

  it('traces: a model of nested and wrapped modules is one flat graph', () => {
    expect(operators(model)).toEqual([
      'Conv',
      'BatchNormalization',
      'Conv',
      'BatchNormalization',
      'Conv',
      'BatchNormalization',
    ])
    lint(model.graph)
  })

  it('prints the graph, a row a node, with opcode, name, target, inputs and attributes', () => {
    const rows = print(model.graph).split('\n')
    expect(rows[0]?.split(/\s+/)).toEqual(['opcode', 'name', 'target', 'inputs', 'attributes', 'type'])
    expect(rows.filter((row) => row.startsWith('call')).map((row) => row.split(/\s{2,}/).slice(1, 4))).toEqual([
      ['/conv1/Conv', 'Conv', '(inp, conv1.weight, conv1.bias)'],
      [
        '/bn1/BatchNormalization',
        'BatchNormalization',
        '(/conv1/Conv_output_0, bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var)',
      ],
      ['/conv2/Conv', 'Conv', '(/bn1/BatchNormalization_output_0, conv2.weight, conv2.bias)'],
      [
        '/nested/nested.0/BatchNormalization',
        'BatchNormalization',
        '(/conv2/Conv_output_0, nested/nested.0.weight, nested/nested.0.bias, nested/nested.0.running_mean, nested/nested.0.running_var)',
      ],
      [
        '/nested/nested.1/Conv',
        'Conv',
        '(/nested/nested.0/BatchNormalization_output_0, nested/nested.1.weight, nested/nested.1.bias)',
      ],
      [
        '/wrapped/mod/BatchNormalization',
        'BatchNormalization',
        '(/nested/nested.1/Conv_output_0, wrapped/mod.weight, wrapped/mod.bias, wrapped/mod.running_mean, wrapped/mod.running_var)',
      ],
    ])
    expect(rows.at(-1)).toMatch(/^output +out/)
  })

  it('fuses the weights as fuse_conv_bn_weights does', () => {
    const [W, b] = [findValue(model, 'conv1.weight').constant, findValue(model, 'conv1.bias').constant]
    const parameters = findNode(model, '/bn1/BatchNormalization')
      .inputs.slice(1)
      .map((value) => value?.constant)
    const [γ, β, μ, σ2] = parameters
    if (!W || !γ || !β || !μ || !σ2) throw new Error('the model has constants')
    const fused = fuseBatchNormWeights(W, b, { scale: γ, bias: β, mean: μ, variance: σ2 })
    const [gamma = 0, beta = 0, mean = 0, variance = 0] = parameters.map((tensor) => tensor?.scalar)
    const s = gamma / Math.sqrt(variance + 1e-5)
    expect(fused.weight.scalar).toBe(Math.fround((W.scalar ?? 0) * s))
    expect(fused.bias.scalar).toBeCloseTo(((b?.scalar ?? 0) - mean) * s + beta, 6)
    expect(fused.weight.dims).toEqual([1, 1, 1, 1])
  })

  it('leaves three convolutions and no batch norm, and the same outputs', async () => {
    const { ops, report, model: fused } = await fuseAndCompare(model, { only, tolerance: 1e-6 })
    expect(ops).toEqual(['Conv', 'Conv', 'Conv'])
    expect(report).toMatchObject({
      nodes: { before: 6, after: 3 },
      fusions: { 'conv-batch-norm': 3 },
      rewrites: 3,
      nearMisses: [],
    })
    expect([...fused.graph.nodes].map(({ name }) => name)).toEqual([
      '/conv1/Conv',
      '/conv2/Conv',
      '/nested/nested.1/Conv',
    ])
    expect(fused.graph.initializers.size).toBe(6)
    expect(fused.graph.inputs.map(String)).toEqual(['inp'])
    expect(fused.graph.outputs.map(String)).toEqual(['out'])
  })

  it('does not change its argument: the bytes before and after are the same, of a file and of a built model', () => {
    fuse(model, { only })
    fuse(model)
    expect(model.isChanged).toBe(false)
    model.markChanged()
    const built = buildM()
    const before = concatenate(encode(built).chunks)
    fuse(built)
    expect(concatenate(encode(built).chunks)).toEqual(before)
    const again = decode(source)
    again.markChanged()
    expect(concatenate(encode(model).chunks)).toEqual(concatenate(encode(again).chunks))
  })

  it('fuses what is fused already into itself', () => {
    const { model: once } = fuse(model, { only })
    expect(fuse(once, { only }).model).toBe(once)
  })

  it('fuses with every other fusion at work too', async () => {
    const { ops } = await fuseAndCompare(model, { tolerance: 1e-6 })
    expect(ops).not.toContain('BatchNormalization')
    expect(ops.filter((op) => op === 'Conv').length).toBeLessThanOrEqual(3)
  })
})

it('modules exported as functions, nested and wrapped, fuse like a flat graph', async () => {
  const flat = buildM()
  const tensors = [...flat.graph.initializers].map((value) => ({
    name: value.name,
    dims: [...(value.initializer?.dims ?? [])],
    dataType: 1,
    rawData: value.initializer?.bytes ?? new Uint8Array(0),
  }))
  const domain = 'pkg.torch'
  const opsetImport = [
    { domain: '', version: 17 },
    { domain, version: 1 },
  ]
  const convFunction = {
    name: 'Conv2d',
    domain,
    opsetImport,
    input: ['x', 'w', 'b'],
    output: ['y'],
    node: [nodeProto('Conv', ['x', 'w', 'b'], ['y'])],
  }
  const bnInputs = ['x', 'g', 'b', 'm', 'v']
  const bnFunction = {
    name: 'BatchNorm2d',
    domain,
    opsetImport,
    input: bnInputs,
    output: ['y'],
    node: [nodeProto('BatchNormalization', bnInputs, ['y'])],
  }
  const wrapped = {
    name: 'Wrapped',
    domain,
    opsetImport,
    input: bnInputs,
    output: ['y'],
    node: [nodeProto('BatchNorm2d', bnInputs, ['y'], { domain })],
  }
  const convCall = (x: string, path: string, y: string) =>
    nodeProto('Conv2d', [x, `${path}.weight`, `${path}.bias`], [y], { domain, name: path })
  const bnCall = (op: string, x: string, path: string, y: string) =>
    nodeProto(op, [x, ...['weight', 'bias', 'running_mean', 'running_var'].map((name) => `${path}.${name}`)], [y], {
      domain,
      name: path,
    })
  const bytes = modelBytes(
    {
      input: values('inp'),
      output: values('out'),
      initializer: tensors,
      node: [
        convCall('inp', 'conv1', 'a'),
        bnCall('BatchNorm2d', 'a', 'bn1', 'b'),
        convCall('b', 'conv2', 'c'),
        bnCall('BatchNorm2d', 'c', 'nested/nested.0', 'd'),
        convCall('d', 'nested/nested.1', 'e'),
        bnCall('Wrapped', 'e', 'wrapped/mod', 'out'),
      ],
    },
    { opsetImport, functions: [convFunction, bnFunction, wrapped] },
  )
  const model = decode(bytes)
  const { model: fused, report } = fuse(model, { only: ['inline-function', ...only] })
  expect(operators(fused)).toEqual(['Conv', 'Conv', 'Conv'])
  expect(report.fusions).toEqual({ 'inline-function': 7, 'conv-batch-norm': 3 })
  expect(operators(model)).toEqual([
    'pkg.torch::Conv2d',
    'pkg.torch::BatchNorm2d',
    'pkg.torch::Conv2d',
    'pkg.torch::BatchNorm2d',
    'pkg.torch::Conv2d',
    'pkg.torch::Wrapped',
  ])
  const inp = new Random(1).tensor([5, 1, 1, 1])
  await expectSameOutputs(bytes, concatenate(encode(fused).chunks), { inp }, 1e-6)
  const inlined = decode(bytes)
  expect(inlineFunctions(inlined)).toBe(7)
})
