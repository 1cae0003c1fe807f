import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

const microsoft = { domain: 'com.microsoft' }
const scalar = (number: number): Tensor => Tensor.fromNumbers('float32', [], [number])
const zeroOf = (type: 'int8' | 'uint8', number: number): Tensor => Tensor.fromNumbers(type, [], [number])
const zero = zeroOf('uint8', 128)
const [inputScale, outputScale] = [scalar(0.04), scalar(0.06)]

/** An operator between what it quantises and what it dequantises, as onnxruntime's static quantiser leaves the first and the last of a chain. */
function between(
  op: string,
  dims: number[],
  count: number,
  build: (operands: readonly Operand[][]) => Operand[],
  attributes = {},
) {
  return {
    quantized: (g: GraphBuilder): void => {
      const operands = Array.from({ length: count }, (_, index) => [
        g.op('QuantizeLinear', [g.input(`x${index}`, 'float32', dims), inputScale, zero]),
        inputScale,
        zero,
      ])
      const result = g.op(`QLinear${op}`, build(operands), attributes, microsoft)
      g.output('y', g.op('Neg', [g.op('DequantizeLinear', [result, outputScale, zero])]))
    },
    floats: (
      g: GraphBuilder,
      plain: readonly Operand[] = [],
      own: Record<string, number | number[] | string> = attributes,
    ): void => {
      const inputs = Array.from({ length: count }, (_, index) => g.input(`x${index}`, 'float32', dims))
      g.output('y', g.op('Neg', [g.op(op, [...plain, ...inputs], own)]))
    },
  }
}
const resultAfter = (operands: readonly Operand[][]): Operand[] => [...operands.flat(), outputScale, zero]
const image = [1, 2, 6, 6]
const pool = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 1, 1] }

describe('linear-operator', () => {
  it.each([
    ['Add', 2, {}],
    ['Mul', 2, {}],
    ['Sigmoid', 1, {}],
    ['LeakyRelu', 1, { alpha: 0.2 }],
    ['LeakyRelu', 1, {}],
    ['GlobalAveragePool', 1, {}],
    ['AveragePool', 1, pool],
    ['AveragePool', 1, { ...pool, count_include_pad: 1 }],
  ])('makes floats of QLinear%s', async (op, count, attributes) => {
    for (const opset of [11, 17]) {
      const result = await expectFloats({ ...between(op, image, count, resultAfter, attributes), opset })
      expect(result?.ops).toEqual([op, 'Neg'])
      expect(result?.pairs).toBe(count + 1)
    }
  })

  it('makes floats of QLinearConcat, whose result comes first', async () => {
    const concat = between('Concat', image, 3, (operands) => [outputScale, zero, ...operands.flat()], { axis: 1 })
    expect((await expectFloats(concat))?.ops).toEqual(['Concat', 'Neg'])
  })

  it('makes floats of QLinearWhere, whose condition comes first', async () => {
    const condition = Tensor.fromNumbers('bool', [6], [1, 0, 0, 1, 1, 0])
    const where = between('Where', image, 2, (operands) => [condition, ...operands.flat(), outputScale, zero])
    const result = await expectFloats({ quantized: where.quantized, floats: (g) => where.floats(g, [condition]) })
    expect(result?.ops).toEqual(['Where', 'Neg'])
  })

  it('makes floats of QLinearSoftmax, where its axis means the same', async () => {
    const softmax = (axis: number, opset: number) => between('Softmax', image, 1, resultAfter, { axis, opset })
    for (const [axis, opset] of [
      [1, 17],
      [-1, 17],
      [3, 12],
      [-1, 12],
    ] as const) {
      const { quantized, floats } = softmax(axis, opset)
      const result = await expectFloats({ quantized, floats: (g) => floats(g, [], { axis }), opset: 17 })
      expect(result?.ops).toEqual(['Softmax', 'Neg'])
    }
    const { nearMisses } = weightOnlyOf(softmax(1, 12).quantized)
    expect(nearMisses.map(({ reason }) => reason)).toContain('its axis means something else in the opset of the model')
  })

  it('cuts off below 0 where an activation was left out for that', async () => {
    const lowest = zeroOf('uint8', 0)
    const scale = scalar(0.01)
    const result = await expectFloats({
      quantized: (g) => {
        const operands = ['a', 'b'].flatMap((name) => [
          g.op('QuantizeLinear', [g.input(name, 'float32', [50]), inputScale, zero]),
          inputScale,
          zero,
        ])
        const sum = g.op('QLinearAdd', [...operands, scale, lowest], {}, microsoft)
        g.output('y', g.op('Neg', [g.op('DequantizeLinear', [sum, scale, lowest])]))
      },
      floats: (g) => {
        const sum = g.op('Add', [g.input('a', 'float32', [50]), g.input('b', 'float32', [50])])
        g.output('y', g.op('Neg', [g.op('Clip', [sum, 0, 2.55])]))
      },
    })
    expect(result?.ops).toEqual(['Add', 'Clip', 'Neg'])
  })

  it('keeps inputs and outputs that are quantised', () => {
    const chain = (g: GraphBuilder): void => {
      const operands = [g.input('x', 'uint8', [4]), inputScale, zero]
      const sum = g.op('QLinearAdd', [...operands, ...operands, outputScale, zero], {}, microsoft)
      const product = g.op(
        'QLinearMul',
        [sum, outputScale, zero, sum, outputScale, zero, outputScale, zero],
        {},
        microsoft,
      )
      g.output('y', product)
    }
    const { model, pairs } = weightOnlyOf(chain)
    expect(pairs).toBe(2)
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual([
      'DequantizeLinear',
      'DequantizeLinear',
      'Add',
      'Mul',
      'QuantizeLinear',
    ])
    expect(model.graph.inputs[0]?.elementType).toBe('uint8')
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(['y'])
  })

  it('takes a constant operand', async () => {
    const [numbers, scale, itsZero] = [wholeNumbers(new Random(1), 'int8', [6]), scalar(0.02), zeroOf('int8', -5)]
    const result = await expectFloats({
      quantized: (g) => {
        const [xScale, xZero] = [inputScale, zeroOf('int8', 3)]
        const x = g.op('QuantizeLinear', [g.input('x', 'float32', [2, 6]), xScale, xZero])
        const sum = g.op('QLinearAdd', [x, xScale, xZero, numbers, scale, itsZero, outputScale, xZero], {}, microsoft)
        g.output('y', g.op('Neg', [g.op('DequantizeLinear', [sum, outputScale, xZero])]))
      },
      floats: (g) =>
        g.output('y', g.op('Neg', [g.op('Add', [g.input('x', 'float32', [2, 6]), floatsOf(numbers, scale, itsZero)])])),
    })
    expect(result?.ops).toEqual(['DequantizeLinear', 'Add', 'Neg'])
  })

  type Build = (g: GraphBuilder, x: Value) => void
  const sigmoid = (g: GraphBuilder, inputs: readonly Operand[], attributes = {}, op = 'QLinearSigmoid'): Value =>
    g.output('y', g.op(op, inputs, attributes, microsoft))
  it.each<[string, RegExp, Build]>([
    [
      'channels that are last',
      /its channels are last/,
      (g, x) => sigmoid(g, [x, inputScale, zero, outputScale, zero], { channels_last: 1 }, 'QLinearGlobalAveragePool'),
    ],
    [
      'a pool that rounds up',
      /rounds its size up/,
      (g, x) => sigmoid(g, [x, inputScale, zero, outputScale, zero], { ...pool, ceil_mode: 1 }, 'QLinearAveragePool'),
    ],
    [
      'a scale that a caller gives',
      /"s" is a graph input/,
      (g, x) => sigmoid(g, [x, g.input('s', 'float32', []), zero, outputScale, zero]),
    ],
    [
      'scales for rows',
      /is not for all of/,
      (g, x) => sigmoid(g, [x, Tensor.fromNumbers('float32', [2], [1, 2]), zero, outputScale, zero]),
    ],
    [
      'a result whose scale a caller gives',
      /not one constant for all of the result/,
      (g, x) => sigmoid(g, [x, inputScale, zero, g.input('s', 'float32', []), zero]),
    ],
    ['a result without a scale', /no scale for its result/, (g, x) => sigmoid(g, [x, inputScale, zero])],
  ])('leaves %s alone', (_name, reason, build) => {
    const { model, nearMisses } = weightOnlyOf((g) =>
      build(g, g.op('QuantizeLinear', [g.input('x', 'float32', image), inputScale, zero])),
    )
    expect([...model.graph.nodes].map(({ op }) => op)).toContain('QuantizeLinear')
    expect(nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })

  it('computes the floats for operators as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('Add', 'Mul', 'Sigmoid', 'LeakyRelu'), { minLength: 1, maxLength: 6 }),
        fc.constantFrom('int8' as const, 'uint8' as const),
        fc.integer({ min: 11, max: 21 }),
        async (ops, type, opset) => {
          const itsZero = zeroOf(type, type === 'int8' ? 3 : 125)
          const apply = (x: Value, op: string, of: (y: Value) => Operand[]): Operand[] =>
            op === 'Add' || op === 'Mul' ? [...of(x), ...of(x)] : of(x)
          const result = await expectFloats({
            quantized: (g) => {
              const quantise = (x: Value): Value => g.op('QuantizeLinear', [x, inputScale, itsZero])
              const last = ops.reduce(
                (x, op) => {
                  const inputs = apply(x, op, (y) => [y, inputScale, itsZero])
                  return g.op(`QLinear${op}`, [...inputs, inputScale, itsZero], {}, microsoft)
                },
                quantise(g.op('Sigmoid', [g.input('x', 'float32', [2, 9])])),
              )
              g.output('y', g.op('Neg', [g.op('DequantizeLinear', [last, inputScale, itsZero])]))
            },
            floats: (g) => {
              const x = g.op('Sigmoid', [g.input('x', 'float32', [2, 9])])
              g.output(
                'y',
                g.op('Neg', [
                  ops.reduce(
                    (y, op) =>
                      g.op(
                        op,
                        apply(y, op, (one) => [one]),
                      ),
                    x,
                  ),
                ]),
              )
            },
            opset,
            irVersion: 10,
            // What is doubled again and again leaves what can be quantised.
            rounding: Number.POSITIVE_INFINITY,
          })
          expect(result?.ops).toEqual(['Sigmoid', ...ops, 'Neg'])
        },
      ),
      { numRuns: 30 },
    )
  })
})
