import { describe, expect, it } from 'vitest'
import { expectSameOutputs, Random } from '../../../test/support/run-model.ts'
import { buildModel, concatenate, encode, Tensor } from '../../graph/index.ts'
import { fuseBatchNormWeights, type WeightLayout } from './fuse-batch-norm-weights.ts'

const random = new Random(3)
const vector = (size: number) => random.tensor([size])
const statistics = (size: number) => ({
  scale: vector(size),
  bias: vector(size),
  mean: vector(size),
  variance: random.tensor([size], 'float32', [0.5, 2]),
  epsilon: 1e-3,
})

interface Layer {
  layout: WeightLayout
  weight: readonly number[]
  input: readonly number[]
  channels: number
  attributes?: Record<string, number>
}

const layers: Layer[] = [
  { layout: { operator: 'Conv' }, weight: [4, 3, 3], input: [2, 3, 7], channels: 4 },
  { layout: { operator: 'Conv' }, weight: [4, 1, 3, 3], input: [1, 4, 5, 5], channels: 4, attributes: { group: 4 } },
  { layout: { operator: 'Conv' }, weight: [2, 3, 1, 2, 3], input: [1, 3, 3, 4, 5], channels: 2 },
  { layout: { operator: 'ConvTranspose' }, weight: [3, 5, 2, 2], input: [1, 3, 4, 4], channels: 5 },
  {
    layout: { operator: 'ConvTranspose', group: 2 },
    weight: [4, 3, 2, 2],
    input: [1, 4, 4, 4],
    channels: 6,
    attributes: { group: 2 },
  },
  { layout: { operator: 'Gemm' }, weight: [3, 5], input: [2, 3], channels: 5 },
  { layout: { operator: 'Gemm', transB: true }, weight: [5, 3], input: [2, 3], channels: 5, attributes: { transB: 1 } },
]

describe('fuseBatchNormWeights', () => {
  it.each(layers)('computes what $layout and a batch norm do: weight $weight', async (layer) => {
    const { layout, input, channels, attributes = {} } = layer
    const [weight, bias, norm] = [random.tensor(layer.weight), vector(channels), statistics(channels)]
    const fused = fuseBatchNormWeights(weight, bias, norm, layout)
    const before = buildModel((g) => {
      const y = g.op(layout.operator, [g.input('x', 'float32', input), weight, bias], attributes)
      const { scale, bias: shift, mean, variance, epsilon } = norm
      g.output('y', g.op('BatchNormalization', [y, scale, shift, mean, variance], { epsilon }))
    })
    const after = buildModel((g) => {
      const x = g.input('x', 'float32', input)
      g.output('y', g.op(layout.operator, [x, fused.weight, fused.bias], attributes))
    })
    const [one, other] = [before, after].map((model) => concatenate(encode(model).chunks))
    if (one === undefined || other === undefined) throw new Error('two models were built')
    await expectSameOutputs(one, other, { x: random.tensor(input) })
  })

  it('counts a missing bias as zeros, a missing γ as ones, a missing β as zeros, and ε as 1e-5', () => {
    const weight = Tensor.fromNumbers('float32', [2, 1, 1], [3, 5])
    const [mean, variance] = [Tensor.fromNumbers('float32', [2], [1, 2]), Tensor.fromNumbers('float32', [2], [4, 9])]
    const [first, second] = [1 / Math.sqrt(4 + 1e-5), 1 / Math.sqrt(9 + 1e-5)]
    const fused = fuseBatchNormWeights(weight, undefined, { mean, variance })
    expect([...fused.weight.toNumbers()]).toEqual([3 * first, 5 * second].map(Math.fround))
    expect([...fused.bias.toNumbers()]).toEqual([-1 * first, -2 * second].map(Math.fround))
    expect(fused.weight.dims).toEqual([2, 1, 1])
  })

  it('leaves its arguments as they are', () => {
    const weight = random.tensor([2, 2, 1])
    const bytes = weight.bytes.slice()
    fuseBatchNormWeights(weight, undefined, statistics(2))
    expect(weight.bytes).toEqual(bytes)
  })

  it('throws for dims that do not fit, and for what is not finite', () => {
    const unusable = expect.objectContaining({ name: 'FusionError', code: 'unusable-weights' })
    expect(() => fuseBatchNormWeights(random.tensor([3, 2, 1]), undefined, statistics(2))).toThrow(unusable)
    expect(() => fuseBatchNormWeights(random.tensor([2, 2, 1]), vector(3), statistics(2))).toThrow(unusable)
    const negative = { ...statistics(2), variance: Tensor.fromNumbers('float32', [2], [-1, 1]) }
    expect(() => fuseBatchNormWeights(random.tensor([2, 2, 1]), undefined, negative)).toThrow(unusable)
    const half = Tensor.fromNumbers('float16', [1, 1, 1], [60000])
    const large = { ...statistics(1), scale: Tensor.fromNumbers('float32', [1], [9]) }
    expect(() => fuseBatchNormWeights(half, undefined, large)).toThrow(/do not fit float16/)
  })
})
