import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(11)
const scalar = (number: number): Tensor => Tensor.fromNumbers('float32', [], [number])
const zero = Tensor.fromNumbers('uint8', [], [128])
const [inputScale, outputScale] = [scalar(0.04), scalar(0.2)]

interface Drawn {
  op: 'QLinearConv' | 'QLinearMatMul' | 'QGemm'
  dims: number[]
  weight: Tensor
  scale: Tensor
  zero: Tensor | undefined
  /** The axis of the weight with the channels. */
  axis: number
  bias?: Tensor
  attributes?: Record<string, number | number[]>
  /** QGemm may give floats. */
  asFloats?: boolean
}

const domainOf = (op: string) => (op === 'QGemm' ? { domain: 'com.microsoft' } : {})

function quantized({
  op,
  dims,
  weight,
  scale,
  zero: weightZero,
  bias,
  attributes,
  asFloats,
}: Drawn): (g: GraphBuilder) => void {
  return (g) => {
    const x = g.op('QuantizeLinear', [g.input('x', 'float32', dims), inputScale, zero])
    const result: Operand[] = asFloats ? [] : [outputScale, zero]
    const after = op === 'QGemm' ? [bias, ...result] : [...result, bias]
    const product = g.op(op, [x, inputScale, zero, weight, scale, weightZero, ...after], attributes, domainOf(op))
    g.output('y', g.op('Neg', [asFloats ? product : g.op('DequantizeLinear', [product, outputScale, zero])]))
  }
}

function floats({
  op,
  dims,
  weight,
  scale,
  zero: weightZero,
  axis,
  bias,
  attributes,
}: Drawn): (g: GraphBuilder) => void {
  return (g) => {
    const W = floatsOf(weight, scale, weightZero, axis)
    const alpha = typeof attributes?.alpha === 'number' ? attributes.alpha : 1
    const steps = Tensor.fromNumbers(
      'float32',
      scale.dims,
      scale.toNumbers().map((one) => one * 0.04 * alpha),
    )
    const b = bias && floatsOf(bias, steps, undefined, bias.dims.length - 1)
    const inputs = [g.input('x', 'float32', dims), W, ...(b ? [b] : [])]
    g.output('y', g.op('Neg', [g.op(op.replace(/^Q(Linear)?/, ''), inputs, attributes)]))
  }
}

const ints = (dims: number[]): Tensor =>
  Tensor.fromNumbers(
    'int32',
    dims,
    random
      .tensor(dims)
      .toNumbers()
      .map((number) => Math.round(number * 1500)),
  )

const conv: Drawn = {
  op: 'QLinearConv',
  dims: [1, 2, 5, 5],
  weight: wholeNumbers(random, 'uint8', [4, 2, 3, 3]),
  scale: scalar(0.01),
  zero: Tensor.fromNumbers('uint8', [], [120]),
  axis: 0,
  attributes: { pads: [1, 1, 1, 1] },
}
const perChannel = {
  weight: wholeNumbers(random, 'int8', [4, 2, 3, 3]),
  scale: random.tensor([4], 'float32', [0.001, 0.02]),
  zero: Tensor.fromNumbers('int8', [4], [0, 0, 0, 0]),
}
const matMul: Drawn = {
  op: 'QLinearMatMul',
  dims: [3, 8],
  weight: wholeNumbers(random, 'int8', [8, 5]),
  scale: scalar(0.01),
  zero: Tensor.fromNumbers('int8', [], [4]),
  axis: 1,
}
const gemm: Drawn = { ...matMul, op: 'QGemm', attributes: { transA: 0, transB: 0 } }
const columns = {
  scale: random.tensor([5], 'float32', [0.001, 0.02]),
  zero: Tensor.fromNumbers('int8', [5], [1, -2, 3, 0, 5]),
}

describe('linear-product', () => {
  it.each<[string, Drawn]>([
    ['a convolution', conv],
    ['a convolution with a bias', { ...conv, bias: ints([4]) }],
    ['a convolution with scales for channels', { ...conv, ...perChannel, bias: ints([4]) }],
    [
      'a convolution in groups',
      { ...conv, weight: wholeNumbers(random, 'uint8', [4, 1, 3, 3]), attributes: { group: 2, strides: [2, 2] } },
    ],
    ['a product of matrices', matMul],
    ['a product with scales for columns', { ...matMul, ...columns }],
    ['Gemm', gemm],
    ['Gemm with a bias', { ...gemm, bias: ints([5]) }],
    [
      'Gemm with a bias of one row, and alpha',
      { ...gemm, bias: ints([1, 5]), attributes: { alpha: 0.5, transA: 0, transB: 0 } },
    ],
    [
      'Gemm of a transposed weight, with scales for columns',
      {
        ...gemm,
        ...columns,
        axis: 0,
        weight: wholeNumbers(random, 'int8', [5, 8]),
        bias: ints([5]),
        attributes: { transA: 0, transB: 1 },
      },
    ],
    ['Gemm that gives floats', { ...gemm, bias: ints([5]), asFloats: true }],
  ])('makes floats of %s', async (_name, drawn) => {
    for (const opset of [13, 17, 21]) {
      const result = await expectFloats({ quantized: quantized(drawn), floats: floats(drawn), opset, irVersion: 10 })
      expect(result?.ops).toEqual(['DequantizeLinear', drawn.op.replace(/^Q(Linear)?/, ''), 'Neg'])
      expect(result?.pairs).toBe(drawn.asFloats ? 1 : 2)
    }
  })

  it('makes floats of two factors that are computed', async () => {
    const result = await expectFloats({
      quantized: (g) => {
        const [a, b] = [
          [3, 8],
          [8, 4],
        ].map((dims, index) => [
          g.op('QuantizeLinear', [g.input(`x${index}`, 'float32', dims), inputScale, zero]),
          inputScale,
          zero,
        ])
        const product = g.op('QLinearMatMul', [...(a ?? []), ...(b ?? []), outputScale, zero])
        g.output('y', g.op('Neg', [g.op('DequantizeLinear', [product, outputScale, zero])]))
      },
      floats: (g) =>
        g.output(
          'y',
          g.op('Neg', [g.op('MatMul', [g.input('x0', 'float32', [3, 8]), g.input('x1', 'float32', [8, 4])])]),
        ),
    })
    expect(result?.ops).toEqual(['MatMul', 'Neg'])
  })

  it('works in opset 10, with one scale', async () => {
    for (const drawn of [conv, matMul]) {
      const result = await expectFloats({ quantized: quantized(drawn), floats: floats(drawn), opset: 10 })
      expect(result?.pairs).toBe(2)
    }
  })

  type Build = (g: GraphBuilder, x: Value) => void
  const convolution = (
    g: GraphBuilder,
    x: Value,
    weight: readonly Operand[],
    bias?: Operand,
    attributes = {},
    domain = '',
  ): Value =>
    g.output(
      'y',
      g.op('QLinearConv', [x, inputScale, zero, ...weight, outputScale, zero, bias], attributes, { domain }),
    )
  const [W, s, z] = [conv.weight, conv.scale, conv.zero]
  it.each<[string, RegExp, Build]>([
    [
      'channels that are last',
      /its channels are last/,
      (g, x) => convolution(g, x, [W, s, z], undefined, { channels_last: 1 }, 'com.microsoft'),
    ],
    [
      'a bias that a caller gives',
      /is not a constant of known scale/,
      (g, x) => convolution(g, x, [W, s, z], g.input('b', 'int32', [4])),
    ],
    [
      'a bias of other channels',
      /its bias is not for the channels of its weight/,
      (g, x) => convolution(g, x, [perChannel.weight, perChannel.scale, perChannel.zero], ints([1])),
    ],
    [
      'scales of other channels',
      /or zero points are not for channels/,
      (g, x) => convolution(g, x, [W, Tensor.fromNumbers('float32', [3], [1, 2, 3]), z]),
    ],
    [
      'a zero point that a caller gives',
      /"z" is a graph input/,
      (g, x) => convolution(g, x, [W, s, g.input('z', 'uint8', [])]),
    ],
    [
      'an input whose scale a caller gives',
      /"s" is a graph input/,
      (g, x) => g.output('y', g.op('QLinearConv', [x, g.input('s', 'float32', []), zero, W, s, z, outputScale, zero])),
    ],
  ])('leaves %s alone', (_name, reason, build) => {
    const { model, nearMisses } = weightOnlyOf((g) =>
      build(g, g.op('QuantizeLinear', [g.input('x', 'float32', conv.dims), inputScale, zero])),
    )
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(['QuantizeLinear', 'QLinearConv'])
    expect(nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })

  it('computes the floats for products as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('QLinearConv' as const, 'QLinearMatMul' as const, 'QGemm' as const),
        fc.constantFrom('int8' as const, 'uint8' as const),
        fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 6 })),
        fc.record({ channels: fc.boolean(), bias: fc.boolean(), transposed: fc.boolean(), zeros: fc.boolean() }),
        fc.integer({ min: 13, max: 21 }),
        async (op, type, [M, K, N], { channels, bias, transposed, zeros }, opset) => {
          const isConv = op === 'QLinearConv'
          const rows = isConv || (op === 'QGemm' && transposed)
          const count = channels ? [N] : []
          const drawn: Drawn = {
            op,
            dims: isConv ? [1, K, M, 2] : [M, K],
            weight: wholeNumbers(random, type, isConv ? [N, K, 1, 1] : rows ? [N, K] : [K, N]),
            scale: random.tensor(count, 'float32', [0.001, 0.02]),
            // onnxruntime has no convolution of int8 with zero points, nor one with several.
            zero:
              zeros && !isConv
                ? wholeNumbers(random, type, count)
                : Tensor.fromNumbers(type, count, new Array(channels ? N : 1).fill(0)),
            axis: rows ? 0 : 1,
            ...(bias && op !== 'QLinearMatMul' && { bias: ints([N]) }),
            ...(op === 'QGemm' && { attributes: { transA: 0, transB: rows ? 1 : 0 } }),
          }
          await expectFloats({
            quantized: quantized(drawn),
            floats: floats(drawn),
            opset,
            irVersion: 10,
            rounding: Number.POSITIVE_INFINITY,
          })
        },
      ),
      { numRuns: 40 },
    )
  })
})
