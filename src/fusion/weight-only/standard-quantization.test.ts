import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, operatorsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type ElementType, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(41)
const microsoft = { domain: 'com.microsoft' }

/** x, quantised and dequantised as onnxruntime's quantiser does for types that the opset has not. */
function pair(g: GraphBuilder, x: Value, type: ElementType, zero: number): Value {
  const operands = [Tensor.fromNumbers('float32', [], [0.04]), Tensor.fromNumbers(type, [], [zero])]
  return g.op('DequantizeLinear', [g.op('QuantizeLinear', [x, ...operands], {}, microsoft), ...operands], {}, microsoft)
}

describe('standard-quantization', () => {
  it('computes the floats for weights and activations as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('int8' as const, 'uint8' as const),
        fc.constantFrom(...(['int8', 'uint8', 'int16', 'uint16'] as const)),
        fc.boolean(),
        fc.integer({ min: 13, max: 21 }),
        async (type, activation, columns, opset) => {
          const [weight, count] = [wholeNumbers(random, type, [8, 5]), columns ? [5] : []]
          const [scale, zero] = [random.tensor(count, 'float32', [0.001, 0.02]), wholeNumbers(random, type, count)]
          const result = await expectFloats({
            quantized: (g) => {
              const x = pair(g, g.input('x', 'float32', [3, 8]), activation, activation.startsWith('u') ? 128 : 1)
              const W = g.op('DequantizeLinear', [weight, scale, zero], { axis: 1 }, microsoft)
              g.output('y', g.op('Neg', [g.op('MatMul', [x, W])]))
            },
            floats: (g) => {
              const W = floatsOf(weight, scale, zero, 1)
              g.output('y', g.op('Neg', [g.op('MatMul', [g.input('x', 'float32', [3, 8]), W])]))
            },
            opset,
            irVersion: 10,
            // With 16 bits of which 128 is the middle, most of what is below 0 is cut off.
            rounding: activation === 'uint16' ? Number.POSITIVE_INFINITY : 0.1,
          })
          expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', 'Neg'])
          expect([...(result?.model.graph.nodes ?? [])].every(({ domain }) => domain === '')).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('lets views be of floats then', () => {
    const { model } = weightOnlyOf((g) => {
      const operands = [Tensor.fromNumbers('float32', [], [0.04]), Tensor.fromNumbers('uint8', [], [128])]
      const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', [3, 8]), ...operands], {}, microsoft)
      const view = g.op('Reshape', [numbers, int64([24])])
      g.output('y', g.op('Neg', [g.op('DequantizeLinear', [view, ...operands], {}, microsoft)]))
    })
    expect(operatorsOf(model)).toEqual(['Reshape', 'Neg'])
  })

  const left = (type: ElementType, count: number[], opset: number) =>
    weightOnlyOf(
      (g) => {
        const numbers = Tensor.fromNumbers(type, [2, 2], [1, 2, 3, 4])
        const scale = Tensor.fromNumbers('float32', count, [0.1, 0.2].slice(0, count[0] ?? 1))
        g.output('y', g.op('DequantizeLinear', [numbers, scale], { axis: 1 }, microsoft))
        // What this means in a newer opset depends on the rank.
        g.output('s', g.op('Softmax', [g.op('Reshape', [g.input('r'), g.input('shape', 'int64')])]))
      },
      { opset },
    ).nearMisses.map(({ reason }) => reason)

  it('leaves what the standard has not in the opset of the model', () => {
    expect(left('int16', [], 17)).toEqual(['before opset 21 the standard does not quantise to int16'])
    expect(left('int8', [2], 11)).toEqual(['before opset 13 the standard has one scale for all'])
  })
})
