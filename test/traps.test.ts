import { afterAll, describe, expect, it } from 'vitest'
import { fuse } from '../src/fusion/index.ts'
import {
  type BuildOptions,
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  type Value,
} from '../src/graph/index.ts'
import { onnx } from '../src/graph/proto/onnx.js'
import { disposeEvaluator, evaluate } from '../src/plugin/evaluator.ts'
import { Weights } from './patterns/pattern.ts'
import { operators } from './support/find.ts'
import { randomFeeds } from './support/fuse-and-compare.ts'
import { floats, modelBytes, nodeProto, values } from './support/model-proto.ts'
import { expectSameResults, Random, runModel } from './support/run-model.ts'
import { elementwise } from './traps/elementwise.ts'
import { linear } from './traps/linear.ts'
import { moving } from './traps/moving.ts'
import type { Trap } from './traps/trap.ts'

afterAll(disposeEvaluator)

const families: Readonly<Record<string, readonly Trap[]>> = { linear, elementwise, moving }

describe.each(Object.entries(families))('%s', (_family, traps) => {
  it.each(traps.map((trap) => [trap.name, trap] as const))('%s', async (_name, trap) => {
    const model = buildModel((graph) => trap.build(graph, new Weights(new Random(9))), trap.model)
    const bytes = concatenate(encode(model).chunks)
    const { model: fused, report } = fuse(decode(bytes), { evaluate })
    expect(report.nearMisses.filter(({ reason }) => reason.startsWith('wrong rewrite:'))).toEqual([])
    if (trap.left !== undefined) expect(operators(fused).sort()).toEqual([...trap.left].sort())
    const feeds = { ...randomFeeds(model, new Random(4), {}), ...trap.feeds }
    const result = concatenate(encode(fused).chunks)
    const expected = await runModel(bytes, feeds)
    expectSameResults(expected, await runModel(result, feeds), 1e-5, 'without the runtime’s optimiser')
    // With the runtime's own optimiser, which makes some of the originals wrong.
    const optimised = runModel(result, feeds, 'all').then((actual) =>
      expectSameResults(expected, actual, 1e-5, 'with the runtime’s optimiser'),
    )
    await optimised
  })
})

const convolution = (g: GraphBuilder, w: Weights): Value =>
  g.op('Conv', [g.input('x', 'float32', [1, 4, 4, 4]), w.kernel(4, 4, 1, 1)], { kernel_shape: [1, 1] })

/** Models which the runtime does not take, or runs in a way of its own: they are left as they are, and nothing fails. */
describe('a model that the runtime does not run', () => {
  it.each<[string, BuildOptions, (g: GraphBuilder, w: Weights) => Value, string[]]>([
    [
      'a batch norm that takes its statistics from the batch',
      { opset: 15 },
      (g, w) => g.op('BatchNormalization', [convolution(g, w), ...w.batchNorm(4)], { training_mode: 1 }),
      ['Conv', 'BatchNormalization'],
    ],
    [
      'a batch norm of opset 8 with statistics for each position',
      { opset: 8 },
      (g, w) => {
        const statistics = [w.positive(4, 4, 4), w.normal(4, 4, 4), w.normal(4, 4, 4), w.positive(4, 4, 4)]
        return g.op('BatchNormalization', [convolution(g, w), ...statistics], { spatial: 0 })
      },
      ['Conv', 'BatchNormalization'],
    ],
    [
      'a batch norm of opset 6 that trains',
      { opset: 6 },
      (g, w) => g.op('BatchNormalization', [convolution(g, w), ...w.batchNorm(4)], { is_test: 0 }),
      ['Conv', 'BatchNormalization'],
    ],
    [
      'a sum of opset 6, which broadcasts by an attribute',
      { opset: 6 },
      (g, w) => g.op('Add', [convolution(g, w), w.normal(4)], { broadcast: 1, axis: 1 }),
      ['Conv', 'Add'],
    ],
    [
      'an operator that nobody knows, between two that would be one',
      { opsets: { 'com.example': 1 } },
      (g, w) => {
        const y = convolution(g, w)
        g.node('Log', [y], {}, { domain: 'com.example', outputs: [] })
        return g.op('BatchNormalization', [y, ...w.batchNorm(4)])
      },
      ['Conv', 'com.example::Log', 'BatchNormalization'],
    ],
  ])('%s', (_name, options, build, left) => {
    const model = buildModel((g) => g.output('y', build(g, new Weights(new Random(9)))), options)
    const { model: fused } = fuse(decode(concatenate(encode(model).chunks)), { evaluate })
    expect(operators(fused)).toEqual(left)
  })

  it('a sparse initializer stays, and is no dense one', () => {
    const bytes = modelBytes({
      input: values('x'),
      output: values('y', 'z'),
      sparseInitializer: [
        {
          values: floats('sparse', [1], [5]),
          indices: { name: 'sparse_indices', dims: [1], dataType: 7, int64Data: [1] },
          dims: [3],
        },
      ],
      node: [
        nodeProto('Identity', ['x'], ['same']),
        nodeProto('Mul', ['same', 'sparse'], ['y']),
        nodeProto('Exp', ['same'], ['z']),
      ],
    })
    const { model } = fuse(decode(bytes), { evaluate })
    expect(operators(model)).toEqual(['Mul', 'Exp'])
    const { graph } = onnx.ModelProto.decode(concatenate(encode(model).chunks))
    expect(graph?.sparseInitializer?.map((sparse) => sparse.values?.name)).toEqual(['sparse'])
    expect(graph?.node?.[0]?.input).toEqual(['x', 'sparse'])
  })
})
