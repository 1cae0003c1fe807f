import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, float, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const random = new Random(23)
const only = ['pad-conv']
type Attributes = Parameters<GraphBuilder['op']>[2]

const fused = (
  pad: (g: GraphBuilder, x: Value) => Value,
  {
    shape = [2, 3, 6, 6],
    kernel = [4, 3, 3, 3],
    attributes = {} as Attributes,
    ...options
  }: CompareOptions &
    BuildOptions & { shape?: readonly (number | string)[]; kernel?: readonly number[]; attributes?: Attributes } = {},
) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', shape)
      g.output('y', g.op('Conv', [pad(g, x), random.tensor(kernel), random.tensor([kernel[0] ?? 1])], attributes))
    },
    { only, ...options },
  )

const image = [0, 0, 1, 2, 0, 0, 3, 0]

describe('pad-conv', () => {
  it('takes pads from an attribute, an input, and for axes named', async () => {
    const attribute = await fused((g, x) => g.op('Pad', [x], { pads: image, value: float(0) }), {
      opset: 10,
      irVersion: 5,
    })
    expect(attribute.ops).toEqual(['Conv'])
    for (const value of [[], [0]]) {
      const input = await fused((g, x) => g.op('Pad', [x, int64(image), ...value]))
      expect(input.ops).toEqual(['Conv'])
    }
    const axes = await fused((g, x) => g.op('Pad', [x, int64([1, 2, 3, 0]), undefined, int64([-2, 3])]), { opset: 18 })
    expect(axes.ops).toEqual(['Conv'])
  })

  it('takes pads that follow from shapes', async () => {
    const { ops } = await fused((g, x) => {
      const half = g.op('Div', [g.op('Gather', [g.op('Shape', [x]), int64([2])]), int64([6])])
      const zeros = int64([0, 0, 0])
      return g.op('Pad', [x, g.op('Concat', [zeros, half, zeros, half], { axis: 0 })])
    })
    expect(ops).toContain('Conv')
    expect(ops).not.toContain('Pad')
  })

  it('adds to the pads of the convolution, of every rank and in groups', async () => {
    const one = await fused((g, x) => g.op('Pad', [x, int64([0, 0, 2, 0, 0, 0])]), {
      shape: [1, 4, 6],
      kernel: [4, 2, 3],
      attributes: { group: 2, pads: [1, 0], dilations: [2] },
    })
    expect(one.ops).toEqual(['Conv'])
    const three = await fused((g, x) => g.op('Pad', [x, int64([0, 0, 0, 1, 0, 0, 0, 1, 0, 1])]), {
      shape: [1, 2, 4, 4, 4],
      kernel: [2, 2, 2, 2, 2],
      attributes: { auto_pad: 'VALID', strides: [1, 2, 1] },
    })
    expect(three.ops).toEqual(['Conv'])
  })

  it('leaves other modes, numbers, batches, channels, and what cuts off', async () => {
    for (const [pads, attributes, value, reason] of [
      [image, { mode: 'reflect' }, 0, /pads by reflect/],
      [image, { mode: 'edge' }, 0, /pads by edge/],
      [image, {}, 1, /pads with 1, not with 0/],
      [[0, 1, 0, 0, 0, 0, 0, 0], {}, 0, /batch or channels/],
      [[1, 0, 0, 0, 0, 0, 0, 0], {}, 0, /batch or channels/],
      [[0, 0, -1, 0, 0, 0, 0, 0], {}, 0, /it cuts off \(negative pads\)/],
    ] as const) {
      const kernel = [4, pads[1] === 1 ? 4 : 3, 3, 3]
      const { ops, reasons } = await fused((g, x) => g.op('Pad', [x, int64(pads), value], attributes), { kernel })
      expect(ops).toEqual(['Pad', 'Conv'])
      expect(reasons[0]).toMatch(reason)
    }
  })

  it('leaves padding that follows the size of the image, computed pads, and a Pad with other users', async () => {
    const same = await fused((g, x) => g.op('Pad', [x, int64(image)]), { attributes: { auto_pad: 'SAME_UPPER' } })
    expect(same.reasons[0]).toMatch(/follows the size of the image/)
    const computed = await fuseGraph(
      (g) => {
        const padded = g.op('Pad', [g.input('x', 'float32', [2, 3, 6, 6]), g.input('pads', 'int64', [8])])
        g.output('y', g.op('Conv', [padded, random.tensor([4, 3, 3, 3])]))
      },
      { only, feeds: { x: random.tensor([2, 3, 6, 6]), pads: int64(image) } },
    )
    expect(computed.reasons).toEqual(['"pads" is a graph input, not a constant'])
    const { reasons } = await fuseGraph(
      (g) => {
        const padded = g.output('p', g.op('Pad', [g.input('x', 'float32', [2, 3, 6, 6]), int64(image)]))
        g.output('y', g.op('Conv', [padded, random.tensor([4, 3, 3, 3])]))
      },
      { only },
    )
    expect(reasons[0]).toMatch(/is an output of its graph/)
  })

  it('leaves a kernel whose size is not known, and pads that do not fit', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const weight = g.op('Relu', [g.input('w', 'float32', ['out', 3, 'k', 'k'])])
        g.output('y', g.op('Conv', [g.op('Pad', [g.input('x', 'float32', [2, 3, 6, 6]), int64(image)]), weight]))
      },
      { only, dimensions: { out: 2, k: 3 } },
    )
    expect(reasons).toEqual(['the size of its kernel is unknown'])
    for (const pads of [[int64([0, 1, 1, 0, 1, 1])], [int64([1, 1]), undefined, int64([7])]]) {
      const misfits = reasonsForLeaving(
        'pad-conv',
        (g) => {
          const padded = g.op('Pad', [g.input('x', 'float32', [2, 3, 6, 6]), ...pads])
          g.output('y', g.op('Conv', [padded, random.tensor([4, 3, 3, 3])]))
        },
        { opset: 18 },
      )
      expect(misfits).toEqual(['its pads do not fit its data'])
    }
  })

  it('computes the same for any pads', { timeout: 120_000 }, async () => {
    const amount = fc.integer({ min: 0, max: 3 })
    const small = fc.integer({ min: 1, max: 3 })
    const pads = fc.tuple(amount, amount, amount, amount)
    await fc.assert(
      fc.asyncProperty(pads, pads, small, small, small, async ([a, b, c, d], own, kernel, stride, dilation) => {
        const { ops } = await fused((g, x) => g.op('Pad', [x, int64([0, 0, a, b, 0, 0, c, d])]), {
          shape: [1, 2, 7, 8],
          kernel: [3, 2, kernel, kernel],
          attributes: { pads: own, strides: [stride, stride], dilations: [dilation, dilation] },
        })
        expect(ops).toEqual(['Conv'])
      }),
      { numRuns: 40 },
    )
  })
})
