import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectFloats, operatorsOf, weightOnlyOf } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const [scale, zero] = [Tensor.fromNumbers('float32', [], [0.04]), Tensor.fromNumbers('uint8', [], [128])]
const image = [1, 4, 6, 6]
type View = (g: GraphBuilder, x: Value) => Value

const quantized = (view: View) => (g: GraphBuilder) => {
  const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', image), scale, zero])
  g.output('y', g.op('Neg', [g.op('DequantizeLinear', [view(g, numbers), scale, zero])]))
}
const floats = (view: View) => (g: GraphBuilder) => {
  g.output('y', g.op('Neg', [view(g, g.input('x', 'float32', image))]))
}

const views: Readonly<Record<string, View>> = {
  Reshape: (g, x) => g.op('Reshape', [x, int64([1, -1])]),
  Flatten: (g, x) => g.op('Flatten', [x]),
  Transpose: (g, x) => g.op('Transpose', [x], { perm: [0, 2, 3, 1] }),
  Squeeze: (g, x) => g.op('Squeeze', [x, int64([0])]),
  Unsqueeze: (g, x) => g.op('Unsqueeze', [x, int64([0])]),
  Slice: (g, x) => g.op('Slice', [x, int64([1]), int64([3]), int64([1])]),
  Gather: (g, x) => g.op('Gather', [x, int64([2, 0])], { axis: 1 }),
  Expand: (g, x) => g.op('Expand', [x, int64([2, 4, 6, 6])]),
  Tile: (g, x) => g.op('Tile', [x, int64([1, 1, 1, 2])]),
  MaxPool: (g, x) => g.op('MaxPool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }),
  Pad: (g, x) => g.op('Pad', [x, int64([0, 0, 1, 1, 0, 0, 1, 1])], { mode: 'reflect' }),
  Identity: (g, x) => g.op('Identity', [x]),
  Resize: (g, x) => g.op('Resize', [x, undefined, [1, 1, 2, 2]], { mode: 'nearest' }),
}

describe('quantized-view', () => {
  it.each(Object.keys(views))('lets %s be of floats', async (op) => {
    const view = views[op]
    if (view === undefined) return expect.unreachable()
    const result = await expectFloats({ quantized: quantized(view), floats: floats(view) })
    expect(result?.ops).toEqual([op, 'Neg'])
  })

  it.each(['DepthToSpace', 'SpaceToDepth'])(
    'lets %s be of floats, which onnxruntime does on uint8 in part only',
    (op) => {
      const { model } = weightOnlyOf(quantized((g, x) => g.op(op, [x], { blocksize: 2 })))
      expect(operatorsOf(model)).toEqual([op, 'Neg'])
    },
  )

  it('lets each part of a Split be of floats', async () => {
    const split: View = (g, x) => {
      const { outputs } = g.node('Split', [x, int64([1, 3])], { axis: 1 }, { outputs: 2 })
      return g.op('Concat', [outputs[1], outputs[0]], { axis: 1 })
    }
    const result = await expectFloats({
      quantized: (g) => {
        const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', image), scale, zero])
        const { outputs } = g.node('Split', [numbers, int64([1, 3])], { axis: 1 }, { outputs: 2 })
        const [a, b] = outputs.map((part) => g.op('DequantizeLinear', [part, scale, zero]))
        g.output('y', g.op('Neg', [g.op('Concat', [b, a], { axis: 1 })]))
      },
      floats: floats(split),
    })
    expect(result?.ops).toEqual(['Split', 'Concat', 'Neg'])
  })

  it('fills up with what the padding stands for', async () => {
    const pads = int64([0, 0, 1, 1, 0, 0, 1, 1])
    for (const value of [undefined, 0, 128, 200]) {
      const padding = value === undefined ? [] : [Tensor.fromNumbers('uint8', [], [value])]
      const result = await expectFloats({
        quantized: quantized((g, x) => g.op('Pad', [x, pads, ...padding])),
        floats: floats((g, x) => g.op('Pad', [x, pads, ((value ?? 0) - 128) * 0.04])),
      })
      expect(result?.ops).toEqual(['Pad', 'Neg'])
    }
  })

  it.each<[string, RegExp, View]>([
    [
      'a padding that a caller gives',
      /"p" is a graph input/,
      (g, x) => g.op('Pad', [x, int64([0, 0, 1, 1, 0, 0, 1, 1]), g.input('p', 'uint8', [])]),
    ],
    [
      'a cubic Resize',
      /numbers beyond those that it is given/,
      (g, x) => g.op('Resize', [x, undefined, [1, 1, 2, 2]], { mode: 'cubic' }),
    ],
    [
      'a pool that says where the largest is',
      /may depend on rounding/,
      (g, x) => {
        const { outputs } = g.node('MaxPool', [x], { kernel_shape: [2, 2] }, { outputs: 2 })
        g.output('where', g.op('Identity', [outputs[1]]))
        return outputs[0] ?? x
      },
    ],
  ])('leaves %s alone', (_name, reason, view) => {
    const { pairs, nearMisses } = weightOnlyOf(quantized(view))
    expect(pairs).toBe(0)
    expect(nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves what is quantised by several scales, or by none that is constant', () => {
    const reasonsOf = (scaleOf: (g: GraphBuilder) => Tensor | Value, zeroOf: (g: GraphBuilder) => Tensor | Value) =>
      weightOnlyOf((g) => {
        const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', image), scaleOf(g), zeroOf(g)])
        g.output('y', g.op('Flatten', [numbers]))
      }).nearMisses.map(({ reason }) => reason)
    const four = (type: 'float32' | 'uint8'): Tensor => Tensor.fromNumbers(type, [4], [1, 2, 3, 4])
    expect(
      reasonsOf(
        () => four('float32'),
        () => four('uint8'),
      ),
    ).toContain('what it views is not quantised by one constant scale')
    expect(
      reasonsOf(
        () => scale,
        (g) => g.input('z', 'uint8', []),
      ),
    ).toContain('what it views has no one zero point')
  })

  it('computes the floats for views as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('Transpose', 'Slice', 'Gather', 'Tile', 'MaxPool', 'Pad', 'Resize', 'Identity'), {
          minLength: 1,
          maxLength: 4,
        }),
        async (names) => {
          const view: View = (g, x) => names.reduce((y, name) => views[name]?.(g, y) ?? y, x)
          const feeds = {
            x: Tensor.fromNumbers(
              'float32',
              image,
              Array.from({ length: 144 }, (_, index) => Math.sin(index) * 3),
            ),
          }
          // Where sizes end, so does the model.
          const fits = ![...names.keys()].some(
            (index) =>
              names.slice(0, index + 1).filter((name) => name === 'Transpose' || name === 'Slice' || name === 'Gather')
                .length > 1,
          )
          if (!fits) return
          const result = await expectFloats({ quantized: quantized(view), floats: floats(view), feeds })
          expect(result?.ops).toEqual([...names, 'Neg'])
        },
      ),
      { numRuns: 30 },
    )
  })
})
