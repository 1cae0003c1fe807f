import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, operatorsOf, weightOnlyOf } from '../../../test/support/weight-only.ts'
import { buildModel, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { weightOnlyQuantization } from './index.ts'

const random = new Random(2)

function dynamicPair(g: GraphBuilder, x: Value): Value {
  return g.op('DequantizeLinear', g.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 }).outputs)
}

describe('weightOnlyQuantization', () => {
  it('takes dynamic quantisation out where it is undone at once: "dynamic-quantization"', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 11, max: 21 }), async (size, opset) => {
        const result = await expectFloats({
          quantized: (g) => g.output('y', g.op('Neg', [dynamicPair(g, g.input('x', 'float32', [size]))])),
          floats: (g) => g.output('y', g.op('Neg', [g.input('x', 'float32', [size])])),
          feeds: { x: random.tensor([size]) },
          opset,
          irVersion: 10,
        })
        expect(result?.pairs).toBe(1)
        expect(result?.ops).toEqual(['Neg'])
      }),
      { numRuns: 15 },
    )
  })

  it('says of operators that it does not know that they stay, as "unknown-operator"', () => {
    for (const op of ['QLinearReduceMean', 'QAttention']) {
      const build = (g: GraphBuilder): void => {
        g.output('y', g.op(op, [g.input('x', 'float32', [2, 3, 4])], {}, { domain: 'com.microsoft' }))
      }
      const model = buildModel(build, { opsets: { 'com.microsoft': 1 } })
      const result = weightOnlyQuantization(model)
      expect(result.model).toBe(model)
      expect(result.nearMisses).toEqual([
        {
          fusion: 'unknown-operator',
          node: expect.any(String),
          reason: `there is no ${op} on floats that is known to do the same`,
        },
      ])
    }
  })

  it('gives scales for channels to models of an opset that has none', () => {
    const build = (g: GraphBuilder): void => {
      const { outputs } = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', [3, 2])], {}, { outputs: 3 })
      const weight = Tensor.fromNumbers('int8', [2, 2], [1, 2, 3, 4])
      const product = g.op('Cast', [g.op('MatMulInteger', [outputs[0], weight, outputs[2]])], { to: 1 })
      g.output('y', g.op('Neg', [g.op('Mul', [product, g.op('Mul', [outputs[1], [0.1, 0.2]])])]))
    }
    const { model } = weightOnlyOf(build, { opset: 11 })
    expect(model.opset).toBe(17)
    expect(operatorsOf(model)).toEqual(['DequantizeLinear', 'MatMul', 'Neg'])
  })

  it('leaves a model alone where no activation would be floats', () => {
    const model = buildModel(
      (g) => {
        const [scale, zero] = [0.1, Tensor.fromNumbers('uint8', [], [7])]
        const x = [g.input('x', 'uint8', [4]), scale, zero]
        g.output('y', g.op('QLinearAdd', [...x, ...x, scale, zero], {}, { domain: 'com.microsoft' }))
        g.output('z', g.op('Unsqueeze', [g.input('r'), int64([0])]))
      },
      { opsets: { 'com.microsoft': 1 } },
    )
    expect(weightOnlyQuantization(model)).toMatchObject({ model, pairs: 0, removed: 0 })
  })
})
