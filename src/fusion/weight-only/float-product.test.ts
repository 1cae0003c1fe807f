import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(21)
const microsoft = { domain: 'com.microsoft' }

interface Drawn {
  weight: Tensor
  scale: Tensor
  zero?: Tensor | undefined
  bias?: Tensor | undefined
}

const dynamic =
  ({ weight, scale, zero, bias }: Drawn, dims: number[]) =>
  (g: GraphBuilder) => {
    const product = g.op(
      'DynamicQuantizeMatMul',
      [g.input('x', 'float32', dims), weight, scale, zero, bias],
      {},
      microsoft,
    )
    g.output('y', g.op('Neg', [product]))
  }

const toFloat =
  ({ weight, scale, zero, bias }: Drawn, dims: number[]) =>
  (g: GraphBuilder) => {
    const [numbers, itsScale, itsZero] = g.node(
      'DynamicQuantizeLinear',
      [g.input('x', 'float32', dims)],
      {},
      { outputs: 3 },
    ).outputs
    const inputs = [numbers, weight, itsScale, scale, itsZero, zero, bias]
    g.output('y', g.op('Neg', [g.op('MatMulIntegerToFloat', inputs, {}, microsoft)]))
  }

const floats =
  ({ weight, scale, zero, bias }: Drawn, dims: number[]) =>
  (g: GraphBuilder) => {
    const W = floatsOf(weight, scale, zero, weight.dims.length - 1)
    const product = g.op('MatMul', [g.input('x', 'float32', dims), W])
    g.output('y', g.op('Neg', [bias ? g.op('Add', [product, bias]) : product]))
  }

const plain: Drawn = { weight: wholeNumbers(random, 'int8', [8, 5]), scale: Tensor.fromNumbers('float32', [1], [0.01]) }
const bias = random.tensor([5])
const byColumn = {
  weight: wholeNumbers(random, 'uint8', [8, 5]),
  scale: random.tensor([5], 'float32', [0.001, 0.02]),
  zero: Tensor.fromNumbers('uint8', [5], [120, 130, 128, 125, 140]),
}

describe('float-product', () => {
  it.each<[string, Drawn]>([
    ['one scale', plain],
    ['one scale and a zero point', { ...plain, zero: Tensor.fromNumbers('int8', [1], [-7]) }],
    ['a bias', { ...plain, bias }],
    ['scales and zero points for columns, and a bias', { ...byColumn, bias }],
  ])('makes floats of a product with %s', async (_name, drawn) => {
    for (const quantized of [dynamic, toFloat]) {
      const result = await expectFloats({ quantized: quantized(drawn, [2, 3, 8]), floats: floats(drawn, [2, 3, 8]) })
      expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', ...(drawn.bias ? ['Add'] : []), 'Neg'])
    }
  })

  it('makes floats of what constants quantise', async () => {
    const [scale, zero] = [Tensor.fromNumbers('float32', [], [0.04]), Tensor.fromNumbers('uint8', [], [128])]
    const result = await expectFloats({
      quantized: (g) => {
        const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', [3, 8]), scale, zero])
        const inputs = [numbers, plain.weight, scale, plain.scale, zero]
        g.output('y', g.op('Neg', [g.op('MatMulIntegerToFloat', inputs, {}, microsoft)]))
      },
      floats: floats(plain, [3, 8]),
    })
    expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', 'Neg'])
  })

  type Build = (g: GraphBuilder, x: Value) => Operand[]
  it.each<[string, RegExp, string, Build]>([
    [
      'a weight that a caller gives',
      /computed, not a weight/,
      'DynamicQuantizeMatMul',
      (g, x) => [x, g.input('w', 'int8', [8, 5]), plain.scale],
    ],
    [
      'a scale that a caller gives',
      /"s" is a graph input/,
      'DynamicQuantizeMatMul',
      (g, x) => [x, plain.weight, g.input('s', 'float32', [5])],
    ],
    [
      'scales of other columns',
      /or zero points are not for channels/,
      'DynamicQuantizeMatMul',
      (_g, x) => [x, plain.weight, random.tensor([4])],
    ],
    [
      'an input whose scale a caller gives',
      /"s" is a graph input/,
      'MatMulIntegerToFloat',
      (g) => [g.input('q', 'uint8', [3, 8]), plain.weight, g.input('s', 'float32', []), plain.scale],
    ],
  ])('leaves %s alone', (_name, reason, op, build) => {
    const { pairs, nearMisses } = weightOnlyOf((g) =>
      g.output('y', g.op(op, build(g, g.input('x', 'float32', [3, 8])), {}, microsoft)),
    )
    expect(pairs).toBe(0)
    expect(nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })

  it('computes the floats for products as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(dynamic, toFloat),
        fc.constantFrom('int8' as const, 'uint8' as const),
        fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 6 })),
        fc.record({ columns: fc.boolean(), zeros: fc.boolean(), bias: fc.boolean() }),
        async (quantized, type, [M, K, N], has) => {
          const count = has.columns ? N : 1
          const drawn: Drawn = {
            weight: wholeNumbers(random, type, [K, N]),
            scale: random.tensor([count], 'float32', [0.001, 0.02]),
            zero: has.zeros ? wholeNumbers(random, type, [count]) : undefined,
            bias: has.bias ? random.tensor([N]) : undefined,
          }
          await expectFloats({ quantized: quantized(drawn, [M, K]), floats: floats(drawn, [M, K]), rounding: 0.2 })
        },
      ),
      { numRuns: 30 },
    )
  })
})
