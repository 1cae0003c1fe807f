import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const random = new Random(26)
const only = ['conv-conv']
type Attributes = Parameters<GraphBuilder['op']>[2]

interface Layer {
  weight: readonly number[]
  bias?: boolean
  attributes?: Attributes
}

const layer = (g: GraphBuilder, x: Value, { weight, bias, attributes }: Layer): Value =>
  g.op('Conv', [x, random.tensor(weight), ...(bias ? [random.tensor([weight[0] ?? 1])] : [])], attributes)

const chain = (shape: readonly number[], layers: readonly Layer[], options: CompareOptions & BuildOptions = {}) =>
  fuseGraph(
    (g) =>
      g.output(
        'y',
        layers.reduce((y, next) => layer(g, y, next), g.input('x', 'float32', shape)),
      ),
    {
      only,
      ...options,
    },
  )

describe('conv-conv', () => {
  it('composes pointwise convolutions, with and without biases', async () => {
    for (const [one, two] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const { ops, bytes } = await chain(
        [2, 4, 5, 5],
        [
          { weight: [6, 4, 1, 1], bias: one ?? false },
          { weight: [3, 6, 1, 1], bias: two ?? false },
        ],
      )
      expect(ops).toEqual(['Conv'])
      expect(bytes.after).toBeLessThan(bytes.before)
    }
  })

  it('composes any kernel with a pointwise one behind it, whose strides multiply', async () => {
    const attributes = { pads: [1, 0, 2, 1], strides: [2, 1], dilations: [1, 2] }
    const { ops } = await chain(
      [1, 3, 9, 9],
      [
        { weight: [8, 3, 3, 3], bias: true, attributes },
        { weight: [4, 8, 1, 1], bias: true, attributes: { strides: [2, 3] } },
      ],
    )
    expect(ops).toEqual(['Conv'])
    const same = await chain(
      [1, 3, 9],
      [
        { weight: [8, 3, 1], bias: true },
        { weight: [4, 8, 1], attributes: { auto_pad: 'SAME_UPPER' } },
      ],
    )
    expect(same.ops).toEqual(['Conv'])
  })

  it('composes a pointwise convolution with any kernel behind it', async () => {
    const { ops } = await chain(
      [1, 2, 8, 8],
      [
        { weight: [6, 2, 1, 1], bias: true },
        { weight: [3, 6, 3, 3], bias: true, attributes: { strides: [2, 2], dilations: [2, 2] } },
      ],
    )
    expect(ops).toEqual(['Conv'])
    const padded = await chain(
      [1, 2, 8, 8],
      [{ weight: [6, 2, 1, 1] }, { weight: [3, 6, 3, 3], bias: true, attributes: { pads: [1, 1, 1, 1] } }],
    )
    expect(padded.ops).toEqual(['Conv'])
  })

  it('leaves padding that would show no bias', async () => {
    for (const weight of [
      [3, 6, 3, 3],
      [3, 6, 1, 1],
    ]) {
      const { ops, reasons } = await chain(
        [1, 2, 8, 8],
        [
          { weight: [6, 2, 1, 1], bias: true },
          { weight, attributes: { pads: [1, 1, 1, 1] } },
        ],
      )
      expect(ops).toEqual(['Conv', 'Conv'])
      expect(reasons[0]).toMatch(/padding shows no bias/)
    }
  })

  it('leaves a pointwise first with strides or padding, and padding that follows the image', async () => {
    for (const attributes of [{ strides: [2, 2] }, { pads: [1, 1, 1, 1] }]) {
      const { reasons } = await chain([1, 2, 8, 8], [{ weight: [6, 2, 1, 1], attributes }, { weight: [3, 6, 3, 3] }])
      expect(reasons[0]).toMatch(/has strides or padding/)
    }
    const { reasons } = await chain(
      [1, 2, 8, 8],
      [{ weight: [6, 2, 3, 3], attributes: { auto_pad: 'SAME_LOWER' } }, { weight: [3, 6, 1, 1] }],
    )
    expect(reasons[0]).toMatch(/follows the size of the image/)
  })

  it('leaves what would be larger, two kernels, and groups', async () => {
    const { reasons } = await chain([1, 8, 4, 4], [{ weight: [2, 8, 1, 1] }, { weight: [8, 2, 1, 1] }])
    expect(reasons[0]).toBe('the product has 64 weights, the two have 32')
    const kernels = await chain([1, 2, 8, 8], [{ weight: [6, 2, 3, 3] }, { weight: [3, 6, 3, 3] }])
    expect(kernels.ops).toEqual(['Conv', 'Conv'])
    const groups = await chain(
      [1, 4, 8, 8],
      [{ weight: [4, 2, 1, 1], attributes: { group: 2 } }, { weight: [3, 4, 1, 1] }],
    )
    expect(groups.ops).toEqual(['Conv', 'Conv'])
  })

  it('leaves a product that takes too long to compute, and attributes that do not fit', () => {
    const chained = (channels: number, attributes: Attributes = {}) =>
      reasonsForLeaving('conv-conv', (g) => {
        const weight = g.constant(new Float32Array(channels ** 2), { dims: [channels, channels, 1, 1] })
        const y = g.op('Conv', [g.input('x', 'float32', [1, channels, 2, 2]), weight], attributes)
        g.output(
          'y',
          g.op('Conv', [y, g.constant(new Float32Array(channels ** 2), { dims: [channels, channels, 1, 1] })]),
        )
      })
    expect(chained(1100)).toEqual(['the product takes too long to compute'])
    expect(chained(2, { strides: [1] })).toEqual(['its attributes do not fit a kernel of dims [1,1]'])
  })

  it('leaves convolutions with a single channel between them', async () => {
    const { report } = await chain([1, 1, 4, 4], [{ weight: [1, 1, 1, 1] }, { weight: [1, 1, 1, 1] }])
    expect(report.fusions).toEqual({})
  })

  it('leaves a value with another user', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const y = layer(g, g.input('x', 'float32', [1, 4, 4, 4]), { weight: [6, 4, 1, 1] })
        g.output('middle', y)
        g.output('y', layer(g, y, { weight: [3, 6, 1, 1] }))
      },
      { only },
    )
    expect(reasons).toEqual(['"middle" is an output of its graph'])
  })

  it('computes the same for any kernels', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const settings = fc.record({
      rank: size,
      channels: fc.tuple(size, fc.integer({ min: 4, max: 6 }), size),
      kernel: size,
      pad: fc.integer({ min: 0, max: 1 }),
      stride: fc.integer({ min: 1, max: 2 }),
      nextStride: fc.integer({ min: 1, max: 2 }),
      biases: fc.tuple(fc.boolean(), fc.boolean()),
      pointwiseFirst: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        settings,
        async ({ rank, channels, kernel, pad, stride, nextStride, biases, pointwiseFirst }) => {
          const spatial = (value: number) => new Array<number>(rank).fill(value)
          const [inputs, middle, outputs] = channels
          const window = { pads: [...spatial(pad), ...spatial(0)], strides: spatial(stride) }
          const layers: Layer[] = pointwiseFirst
            ? [
                { weight: [middle, inputs, ...spatial(1)], bias: biases[0] && pad === 0 },
                { weight: [outputs, middle, ...spatial(kernel)], bias: biases[1], attributes: window },
              ]
            : [
                { weight: [middle, inputs, ...spatial(kernel)], bias: biases[0], attributes: window },
                {
                  weight: [outputs, middle, ...spatial(1)],
                  bias: biases[1],
                  attributes: { strides: spatial(nextStride) },
                },
              ]
          const { report } = await chain([1, inputs, ...spatial(6)], layers)
          const larger =
            inputs * outputs * kernel ** rank >
            middle * (inputs * (pointwiseFirst ? 1 : kernel ** rank) + outputs * (pointwiseFirst ? kernel ** rank : 1))
          expect(report.fusions['conv-conv']).toBe(larger || middle === 1 ? undefined : 1)
        },
      ),
      { numRuns: 50 },
    )
  })
})
