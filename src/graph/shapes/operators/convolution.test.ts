import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { type AttributeValue, buildModel, elementCount, Tensor } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const zeros = (dims: readonly number[], type: 'float32' | 'uint8' = 'float32'): Tensor =>
  Tensor.fromNumbers(type, dims, new Float64Array(elementCount(dims)))

interface Sliding {
  readonly rank: number
  readonly kernel: number[]
  readonly strides: number[]
  readonly dilations: number[]
  readonly pads: number[]
  readonly autoPad: string
  readonly size: number[]
  readonly ceilMode: number
}

/** Windows over one, two or three axes that fit into the data. */
const slidings = (most: number): fc.Arbitrary<Sliding> =>
  fc.integer({ min: 1, max: most }).chain((rank) => {
    const list = (min: number, max: number, length = rank) =>
      fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length })
    return fc.record({
      rank: fc.constant(rank),
      kernel: list(1, 4),
      strides: list(1, 3),
      dilations: list(1, 2),
      pads: list(0, 3, 2 * rank),
      autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'),
      size: list(7, 12),
      ceilMode: fc.nat(1),
    })
  })

/** Pads have to be smaller than the kernel for pooling, and are not given beside `auto_pad`. */
const padding = ({ autoPad, pads, kernel, rank }: Sliding): Record<string, AttributeValue> =>
  autoPad === 'NOTSET'
    ? { pads: pads.map((pad, index) => Math.min(pad, (kernel[index % rank] ?? 1) - 1)) }
    : { auto_pad: autoPad }

const spatial = (rank: number): string[] => ['d', 'h', 'w'].slice(-rank)
const sizesOf = ({ size, rank }: Sliding): Record<string, number> =>
  Object.fromEntries(spatial(rank).map((name, axis) => [name, size[axis] ?? 1]))

describe('Conv', () => {
  it('slides over one, two and three axes with any stride, dilation and padding', async () => {
    await fc.assert(
      fc.asyncProperty(slidings(3), fc.constantFrom(1, 2), async (draw, group) => {
        const { rank, kernel, strides, dilations } = draw
        const model = buildModel((g) => {
          const x = g.input('x', 'float32', ['n', 4, ...spatial(rank)])
          const weight = zeros([6, 4 / group, ...kernel])
          // A runtime's SAME padding of dilated kernels is its own affair.
          const dilated = draw.autoPad.startsWith('SAME') ? {} : { dilations }
          g.output('y', g.op('Conv', [x, weight], { strides, group, ...dilated, ...padding(draw) }))
        })
        await expectShapes(model, { n: 2, ...sizesOf(draw) })
      }),
      { numRuns: 40 },
    )
  })

  it('names its result by the sizes of its input', () => {
    const model = buildModel((g) => {
      let x = g.input('x', 'float32', ['n', 3, 'h', 'w'])
      x = g.op('Conv', [x, zeros([8, 3, 7, 7])], { strides: [2, 2], pads: [3, 3, 3, 3] })
      x = g.op('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })
      g.output('y', x)
    })
    const [y] = model.graph.outputs
    expect(String(y && inferShapes(model).shapeOf(y))).toBe('n,8,floor((h+3)/4),floor((w+3)/4)')
  })

  it('refuses channels that do not fit, and data smaller than the window', () => {
    const conflicts = (channels: number, size: number): string[] => {
      const model = buildModel((g) => {
        g.output('y', g.op('Conv', [g.input('x', 'float32', [1, channels, size]), zeros([2, 3, 5])]))
      })
      return [...inferShapes(model).conflicts.values()]
    }
    expect(conflicts(3, 9)).toEqual([])
    expect(conflicts(4, 9)).toEqual(['The sizes 4 and 3 should be the same.'])
    expect(conflicts(3, 4)).toEqual(['A window of 5 does not fit into a dimension of 4.'])
  })
})

describe('quantised convolutions', () => {
  it('give int32, or the type of the zero point', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'uint8', [1, 1, 'h', 5])
      const [scale, zero] = [Tensor.fromNumbers('float32', [], [1]), zeros([], 'uint8')]
      const weight = zeros([2, 1, 3, 3], 'uint8')
      g.output('integer', g.op('ConvInteger', [x, weight]))
      g.output('linear', g.op('QLinearConv', [x, scale, zero, weight, scale, zero, scale, zero]))
    })
    await expectShapes(model, { h: 6 })
  })
})

describe('ConvTranspose', () => {
  it('turns the formula round, with output_padding, groups and auto_pad', async () => {
    await fc.assert(
      fc.asyncProperty(slidings(2), fc.constantFrom(1, 2), fc.boolean(), async (draw, group, extra) => {
        const { rank, kernel, strides, dilations } = draw
        const model = buildModel((g) => {
          const x = g.input('x', 'float32', ['n', 4, ...spatial(rank)])
          const isSame = draw.autoPad.startsWith('SAME')
          const attributes: Record<string, AttributeValue> = { strides, group, ...padding(draw) }
          if (!isSame) attributes.dilations = dilations
          if (extra && !isSame) attributes.output_padding = strides.map((stride) => stride - 1)
          g.output('y', g.op('ConvTranspose', [x, zeros([4, 3, ...kernel])], attributes))
        })
        await expectShapes(model, { n: 2, ...sizesOf(draw) })
      }),
      { numRuns: 40 },
    )
  })

  it('takes the size it is given', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 2, 5, 5])
      g.output('y', g.op('ConvTranspose', [x, zeros([2, 3, 3, 3])], { strides: [2, 2], output_shape: [10, 12] }))
    })
    await expectShapes(model, { n: 2 })
  })
})

describe('pooling', () => {
  it('rounds down or up, with a last window that begins inside', async () => {
    await fc.assert(
      fc.asyncProperty(slidings(2), fc.constantFrom('MaxPool', 'AveragePool', 'LpPool'), async (draw, op) => {
        const { rank, kernel, strides, dilations, ceilMode } = draw
        const model = buildModel(
          (g) => {
            const x = g.input('x', 'float32', ['n', 2, ...spatial(rank)])
            const attributes: Record<string, AttributeValue> = { kernel_shape: kernel, strides, ...padding(draw) }
            // With SAME padding a pooling window may not be smaller than its stride.
            const isSame = draw.autoPad.startsWith('SAME')
            if (isSame) attributes.strides = strides.map((stride, axis) => Math.min(stride, kernel[axis] ?? 1))
            if (!isSame && op !== 'LpPool') attributes.ceil_mode = ceilMode
            if (!isSame && op !== 'LpPool') attributes.dilations = dilations
            g.output('y', g.op(op, [x], attributes))
          },
          { opset: 19 },
        )
        await expectShapes(model, { n: 2, ...sizesOf(draw) })
      }),
      { numRuns: 60 },
    )
  })

  it.each([7, 8, 10, 12, 18])('gives indices and global results in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 2, 'h', 7])
        const outputs = opset >= 8 ? 2 : 1
        const pool = g.node('MaxPool', [x], { kernel_shape: [2, 3] }, { outputs })
        for (const [index, output] of pool.outputs.entries()) if (output) g.output(`pool${index}`, output)
        for (const op of ['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool']) g.output(op, g.op(op, [x]))
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 5 })
  })

  it('is undone by MaxUnpool', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [1, 1, 'h', 6])
      const [pooled, indices] = g.node(
        'MaxPool',
        [x],
        { kernel_shape: [2, 2], strides: [2, 2] },
        { outputs: 2 },
      ).outputs
      g.output('y', g.op('MaxUnpool', [pooled, indices], { kernel_shape: [2, 2], strides: [2, 2] }))
    })
    const shapes = await expectShapes(model, { h: 8 })
    const [y] = model.graph.outputs
    expect(String(y && shapes.shapeOf(y))).toBe('1,1,2*floor(h/2),6')
  })
})

describe('regions', () => {
  it('are pooled to one size', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [1, 2, 8, 8])
      const rois = g.input('rois', 'float32', ['r', 4])
      const indices = g.op(
        'ConstantOfShape',
        [
          g.op('Slice', [
            g.op('Shape', [rois]),
            Tensor.fromNumbers('int64', [1], [0]),
            Tensor.fromNumbers('int64', [1], [1]),
          ]),
        ],
        { value: Tensor.fromNumbers('int64', [1], [0]) },
      )
      g.output('y', g.op('RoiAlign', [x, rois, indices], { output_height: 3, output_width: 2 }))
    })
    await expectShapes(model, { r: 3 })
  })

  it('come back from columns as an image', async () => {
    const model = buildModel(
      (g) => {
        const int64s = (values: number[]): Tensor => Tensor.fromNumbers('int64', [values.length], values)
        g.output(
          'y',
          g.op('Col2Im', [g.input('x', 'float32', ['n', 20, 25]), int64s([5, 5]), int64s([1, 5])], {
            pads: [0, 2, 0, 2],
          }),
        )
      },
      { opset: 18 },
    )
    await expectShapes(model, { n: 2 })
  })
})
