import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomFeeds } from '../../../test/support/fuse-and-compare.ts'
import { Random, relativeDifference, runModel } from '../../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  encode,
  type GraphBuilder,
  type Model,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { weightOnlyQuantization } from './index.ts'

const random = new Random(3)
const bytesOf = (model: Model): Uint8Array => concatenate(encode(model).chunks)
const ops = (model: Model): string[] => [...model.graph.nodes].map(({ op }) => op)
const integer = (type: 'uint8' | 'int8' | 'uint16', number: number): Tensor => Tensor.fromNumbers(type, [], [number])

interface Pair {
  scale?: number | Tensor
  zero?: Tensor
  /** Of the dequantisation, where they differ. */
  otherScale?: number
  otherZero?: Tensor
  attributes?: Record<string, number>
  otherAttributes?: Record<string, number>
}

function pair(g: GraphBuilder, x: Value, { scale = 0.05, zero, otherScale, otherZero, ...rest }: Pair = {}): Value {
  const quantised = g.op('QuantizeLinear', [x, scale, ...(zero ? [zero] : [])], rest.attributes)
  const last = otherZero ?? zero
  const attributes = rest.otherAttributes ?? rest.attributes
  return g.op('DequantizeLinear', [quantised, otherScale ?? scale, ...(last ? [last] : [])], attributes)
}

const around = (options: Pair = {}, opset = 17): Model =>
  buildModel(
    (g) => {
      const x = g.op('Tanh', [g.input('x', 'float32', ['n', 4])])
      g.output('y', g.op('Neg', [pair(g, x, options)]))
    },
    { opset, irVersion: 10 },
  )
const middle: Pair = { zero: integer('uint8', 128) }

describe('activation-quantization', () => {
  it.each<[string, Pair]>([
    ['uint8', middle],
    ['int8', { zero: integer('int8', 3) }],
    [
      'a scale for each column',
      {
        scale: Tensor.fromNumbers('float32', [4], [0.05, 0.1, 0.2, 0.3]),
        zero: Tensor.fromNumbers('int8', [4], [1, 2, 3, 4]),
      },
    ],
    ['an axis that means nothing', { ...middle, attributes: { axis: 0 }, otherAttributes: { axis: 1 } }],
  ])('takes a pair of %s out', (_name, options) => {
    for (const opset of [13, 17, 21]) {
      const model = around(options, opset)
      const { model: floats, pairs, removed } = weightOnlyQuantization(model)
      expect(ops(floats)).toEqual(['Tanh', 'Neg'])
      expect({ pairs, removed }).toEqual({ pairs: 1, removed: 2 })
      expect(ops(model)).toContain('QuantizeLinear')
      expect(floats.graph.initializers.size).toBe(0)
    }
  })

  it('keeps what is cut off below 0 in the place of Relu, and above', async () => {
    const zeros = [integer('uint8', 0), integer('int8', -128), undefined]
    for (const [zero, opset] of zeros.flatMap((one) => [10, 11, 17].map((since) => [one, since] as const))) {
      const model = buildModel(
        (g) => {
          const x = g.input('x', 'float32', [2, 50])
          g.output('y', g.op('Neg', [pair(g, x, { scale: 0.002, ...(zero && { zero }) })]))
        },
        { opset },
      )
      const { model: floats } = weightOnlyQuantization(model)
      expect(ops(floats)).toEqual(['Clip', 'Neg'])
      const feeds = randomFeeds(model, new Random(1), {})
      const [before, after] = [await runModel(bytesOf(model), feeds), await runModel(bytesOf(floats), feeds)]
      if (before.y && after.y) expect(relativeDifference(before.y, after.y)).toBeLessThan(0.0011)
      else expect.unreachable()
    }
  })

  it('keeps it in opset 10 as well, where the model cannot be brought to a newer one', async () => {
    const model = buildModel(
      (g) => {
        g.output(
          'y',
          g.op('Neg', [pair(g, g.input('x', 'float32', [50]), { scale: 0.002, zero: integer('uint8', 0) })]),
        )
        // What this means in a newer opset depends on the rank.
        g.output('z', g.op('Softmax', [g.op('Reshape', [g.input('r', 'float32', [6]), g.input('shape', 'int64')])]))
      },
      { opset: 10 },
    )
    const { model: floats } = weightOnlyQuantization(model)
    expect(floats.opset).toBe(10)
    expect(ops(floats)).toEqual(['Clip', 'Neg', 'Reshape', 'Softmax'])
    const shape = Tensor.fromNumbers('int64', [2], [2, 3])
    const feeds = { x: random.tensor([50]), r: random.tensor([6]), shape }
    const [before, after] = [await runModel(bytesOf(model), feeds), await runModel(bytesOf(floats), feeds)]
    if (before.y && after.y) expect(relativeDifference(before.y, after.y)).toBeLessThan(0.0011)
    else expect.unreachable()
  })

  it('needs no Clip behind what is never below 0', () => {
    for (const above of ['Relu', 'Sigmoid']) {
      const model = buildModel((g) => {
        const x = g.op(above, [g.input('x', 'float32', [4])])
        g.output('y', g.op('Neg', [pair(g, x, { zero: integer('uint8', 0) })]))
      })
      expect(ops(weightOnlyQuantization(model).model)).toEqual([above, 'Neg'])
    }
    const pooled = buildModel((g) => {
      const options = { zero: integer('uint8', 0) }
      const x = g.op('MaxPool', [pair(g, g.input('x', 'float32', [1, 2, 6, 6]), options)], { kernel_shape: [2, 2] })
      g.output('y', g.op('Neg', [pair(g, g.op('GlobalAveragePool', [x]), options)]))
    })
    expect(ops(weightOnlyQuantization(pooled).model)).toEqual(['Clip', 'MaxPool', 'GlobalAveragePool', 'Neg'])
  })

  it('lets weights and biases stay quantised', () => {
    const model = buildModel(
      (g) => {
        const x = pair(g, g.input('x', 'float32', [1, 2, 6, 6]), middle)
        const integers = Uint8Array.from({ length: 36 }, (_, index) => index * 7)
        const weight = g.op('DequantizeLinear', [Tensor.fromBytes('int8', [2, 2, 3, 3], integers), 0.02])
        const bias = g.op('DequantizeLinear', [Tensor.fromNumbers('int32', [2], [5, -7]), 0.001])
        g.output('y', g.op('Relu', [pair(g, g.op('Conv', [x, weight, bias]), { zero: integer('uint8', 100) })]))
      },
      { opset: 17 },
    )
    const { model: floats, pairs } = weightOnlyQuantization(model)
    expect(pairs).toBe(2)
    expect(ops(floats)).toEqual(['DequantizeLinear', 'DequantizeLinear', 'Conv', 'Relu'])
  })

  it('takes each of several users out, and leaves what is used as integers', () => {
    const model = buildModel((g) => {
      const quantised = g.op('QuantizeLinear', [g.input('x', 'float32', [4]), 0.1, integer('uint8', 9)])
      for (const name of ['y', 'z'])
        g.output(name, g.op('Neg', [g.op('DequantizeLinear', [quantised, 0.1, integer('uint8', 9)])]))
      g.output('q', quantised)
    })
    const { model: floats, pairs } = weightOnlyQuantization(model)
    expect(pairs).toBe(2)
    expect(ops(floats)).toEqual(['QuantizeLinear', 'Neg', 'Neg'])
  })

  it('computes what the quantised model does, but for half a step of rounding', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 255 }),
        fc.double({ min: 0.02, max: 0.2, noNaN: true }),
        fc.constantFrom('uint8' as const, 'int8' as const),
        fc.integer({ min: 1, max: 20 }),
        async (zero, scale, type, count) => {
          const number = type === 'uint8' ? zero : zero - 128
          const model = buildModel((g) => {
            // Within what can be quantised: what is cut off above is not rounding.
            const [low, high] = [-zero * scale, (255 - zero) * scale]
            const x = g.op('Clip', [g.input('x', 'float32', [count]), low, high])
            g.output('y', g.op('Neg', [pair(g, x, { scale, zero: integer(type, number) })]))
          })
          const { model: floats, pairs } = weightOnlyQuantization(model)
          expect(pairs).toBe(1)
          const feeds = { x: random.tensor([count]) }
          const [before, after] = [await runModel(bytesOf(model), feeds), await runModel(bytesOf(floats), feeds)]
          const [a, b] = [before.y?.toNumbers() ?? [], after.y?.toNumbers() ?? []]
          for (const [index, value] of a.entries())
            expect(Math.abs(value - (b[index] ?? Number.NaN))).toBeLessThanOrEqual(scale * 0.501)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('takes out pairs of float16', () => {
    const model = buildModel(
      (g) => {
        const scale = g.constant([0.05], { type: 'float16', dims: [] })
        const quantised = g.op('QuantizeLinear', [g.input('x', 'float16', [4]), scale, integer('uint8', 7)])
        g.output('y', g.op('Neg', [g.op('DequantizeLinear', [quantised, scale, integer('uint8', 7)])]))
      },
      { opset: 19, irVersion: 9 },
    )
    expect(ops(weightOnlyQuantization(model).model)).toEqual(['Neg'])
  })

  it.each<[string, RegExp, Model]>([
    ['two scales', /scales or zero points differ/, around({ ...middle, otherScale: 0.06 })],
    ['two zero points', /scales or zero points differ/, around({ ...middle, otherZero: integer('uint8', 127) })],
    [
      'two axes',
      /axes or block sizes differ/,
      around(
        {
          scale: Tensor.fromNumbers('float32', [4], [1, 2, 3, 4]),
          zero: Tensor.fromNumbers('int8', [4], [1, 2, 3, 4]),
          attributes: { axis: 1 },
          otherAttributes: { axis: 0 },
        },
        17,
      ),
    ],
    [
      'a scale that is computed',
      /computed, not a constant/,
      buildModel((g) => {
        const x = g.input('x', 'float32', [4])
        const scale = g.op('ReduceMax', [g.op('Abs', [x])], { keepdims: 0 })
        g.output('y', g.op('DequantizeLinear', [g.op('QuantizeLinear', [x, scale]), scale]))
      }),
    ],
    [
      'a scale that a caller may give',
      /a graph input/,
      buildModel((g) => {
        const [x, scale] = [g.input('x', 'float32', [4]), g.input('scale', 'float32', [])]
        g.output('y', g.op('DequantizeLinear', [g.op('QuantizeLinear', [x, scale]), scale]))
      }),
    ],
    [
      'what comes out as another type',
      /it makes float32 of float16/,
      buildModel(
        (g) => {
          const x = g.op('Tanh', [g.input('x', 'float16', [4])])
          g.output('y', g.op('Neg', [pair(g, x, middle)]))
        },
        { opset: 23, irVersion: 11 },
      ),
    ],
    [
      'an input that would become an output',
      /output/,
      buildModel((g) => g.output('y', pair(g, g.input('x', 'float32', [4]), middle))),
    ],
  ])('leaves %s alone', (_name, reason, model) => {
    const result = weightOnlyQuantization(model)
    expect(result.model).toBe(model)
    expect(result.nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })
})
