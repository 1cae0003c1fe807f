import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(31)
const microsoft = { domain: 'com.microsoft' }

interface Drawn {
  directions: number
  inputs: number
  hidden: number
  type: 'int8' | 'uint8'
  /** Scales for each gate, where there is one direction. */
  gates: boolean
}

interface Weight {
  numbers: Tensor
  scale: Tensor
  zero: Tensor
}

function weight({ directions, hidden, type, gates }: Drawn, rows: number): Weight {
  const dims = gates ? [directions, 4 * hidden] : [directions]
  const numbers = wholeNumbers(random, type, [directions, rows, 4 * hidden])
  // onnxruntime takes one zero point for the gates of a direction, and 0 for int8.
  const points = Array.from({ length: directions }, () => (type === 'int8' ? 0 : Math.round(random.uniform(110, 140))))
  return {
    numbers,
    scale: random.tensor(dims, 'float32', [0.001, 0.006]),
    zero: Tensor.fromNumbers(
      type,
      dims,
      gates ? points.flatMap((one) => new Array<number>(4 * hidden).fill(one)) : points,
    ),
  }
}

/** [directions, rows, gates] → [directions, gates, rows] of floats. */
function transposed({ numbers, scale, zero }: Weight, gates: boolean): Tensor {
  const turned = numbers.transpose([0, 2, 1]) ?? numbers
  return floatsOf(turned, scale, zero, gates ? 1 : 0)
}

function models(drawn: Drawn) {
  const { directions, inputs, hidden, gates } = drawn
  const [W, R] = [weight(drawn, inputs), weight(drawn, hidden)]
  const bias = random.tensor([directions, 8 * hidden])
  const attributes = { hidden_size: hidden, direction: directions === 2 ? 'bidirectional' : 'forward' }
  const [x, initial] = [
    [5, 2, inputs],
    [directions, 2, hidden],
  ]
  const outputs = (g: GraphBuilder, values: readonly (Value | undefined)[]): void => {
    for (const [index, value] of values.entries()) if (value !== undefined) g.output(`y${index}`, g.op('Neg', [value]))
  }
  return {
    quantized: (g: GraphBuilder) => {
      const states = ['h', 'c'].map((name) => g.input(name, 'float32', initial))
      const list: Operand[] = [g.input('x', 'float32', x), W.numbers, R.numbers, bias, undefined, ...states, undefined]
      const all = [...list, W.scale, W.zero, R.scale, R.zero]
      outputs(g, g.node('DynamicQuantizeLSTM', all, attributes, { ...microsoft, outputs: 3 }).outputs)
    },
    floats: (g: GraphBuilder) => {
      const states = ['h', 'c'].map((name) => g.input(name, 'float32', initial))
      const list: Operand[] = [
        g.input('x', 'float32', x),
        transposed(W, gates),
        transposed(R, gates),
        bias,
        undefined,
        ...states,
      ]
      outputs(g, g.node('LSTM', list, attributes, { outputs: 3 }).outputs)
    },
  }
}

describe('quantized-lstm', () => {
  it('computes the floats for recurrent nets as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          directions: fc.constantFrom(1, 2),
          inputs: fc.integer({ min: 1, max: 8 }),
          hidden: fc.integer({ min: 1, max: 8 }),
          type: fc.constantFrom('int8' as const, 'uint8' as const),
          gates: fc.boolean(),
        }),
        async (drawn) => {
          const result = await expectFloats(models({ ...drawn, gates: drawn.gates && drawn.directions === 1 }))
          expect(result?.pairs).toBe(1)
          expect(result?.ops).toEqual(['DequantizeLinear', 'DequantizeLinear', 'LSTM', 'Neg', 'Neg', 'Neg'])
        },
      ),
      { numRuns: 20 },
    )
  })

  const drawn: Drawn = { directions: 1, inputs: 4, hidden: 3, type: 'uint8', gates: false }
  const [W, R] = [weight(drawn, 4), weight(drawn, 3)]
  const reasonsOf = (build: (g: GraphBuilder) => Operand[], outputs = 1): string[] =>
    weightOnlyOf((g) => {
      const list = [g.input('x', 'float32', [5, 2, 4]), ...build(g)]
      g.output('y', g.node('DynamicQuantizeLSTM', list, { hidden_size: 3 }, { ...microsoft, outputs }).output)
    }).nearMisses.map(({ reason }) => reason)
  const none = [undefined, undefined, undefined, undefined, undefined]

  it('leaves weights that are not constants', () => {
    expect(
      reasonsOf((g) => [g.input('w', 'uint8', [1, 4, 12]), R.numbers, ...none, W.scale, W.zero, R.scale, R.zero]),
    ).toContain('"w" is a graph input, not a constant')
    expect(
      reasonsOf((g) => [W.numbers, R.numbers, ...none, W.scale, W.zero, R.scale, g.input('z', 'uint8', [1])]),
    ).toContain('"z" is a graph input, not a constant')
  })

  it('leaves weights of another rank', () => {
    const flat = W.numbers.reshape([4, 12])
    expect(reasonsOf(() => [flat, R.numbers, ...none, W.scale, W.zero, R.scale, R.zero])).toContain(
      'its weights are not as the operator has them',
    )
  })

  it('leaves scales for the gates of two directions, which a dequantisation has not', () => {
    const two = weight({ ...drawn, directions: 2, gates: true }, 4)
    expect(reasonsOf(() => [two.numbers, R.numbers, ...none, two.scale, two.zero, R.scale, R.zero])).toContain(
      'its scales are for the 12 gates of each of 2 directions',
    )
  })
})
