import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const only = ['resize-scales']
const dimensions = { n: 1, h: 3, w: 5 }

/** Resizes to the channels as they are, and to height and width as given. */
const fused = (
  height: (g: GraphBuilder, h: Value) => Value,
  attributes: Record<string, string> = { mode: 'nearest' },
  { opset = 17, region }: { opset?: number; region?: Tensor } = {},
): Promise<Fused> =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', ['n', 2, 'h', 'w'])
      const shape = g.op('Shape', [x])
      const part = (from: number, to: number): Value => g.op('Slice', [shape, int64([from]), int64([to])])
      const sizes = g.op('Concat', [part(0, 2), height(g, part(2, 3)), g.op('Mul', [part(3, 4), int64([2])])], {
        axis: 0,
      })
      // Before opset 13 the operands in between could not be left out.
      const none = Tensor.fromNumbers('float32', [0], [])
      const [roi, scales] = opset < 13 ? [none, none] : [region, undefined]
      g.output('y', g.op('Resize', [x, roi, scales, sizes], attributes))
    },
    { only, opset, dimensions },
  )

const twice = (g: GraphBuilder, h: Value): Value => g.op('Mul', [h, int64([2])])

describe('resize-scales', () => {
  it.each<[string, Record<string, string>]>([
    ['nearest', { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }],
    ['half pixels', { mode: 'linear' }],
    ['PyTorch’s half pixels', { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' }],
    ['aligned corners', { mode: 'linear', coordinate_transformation_mode: 'align_corners' }],
    ['cubic', { mode: 'cubic' }],
  ])('finds whole factors, with %s', async (_, attributes) => {
    expect((await fused(twice, attributes)).ops).toEqual(['Resize'])
    expect((await fused(twice, attributes, { opset: 11 })).ops).toEqual(['Resize'])
  })

  it('finds a size that stays, and a factor by addition', async () => {
    expect((await fused((_, h) => h)).ops).toEqual(['Resize'])
    expect((await fused((g, h) => g.op('Add', [h, g.op('Add', [h, h])]))).ops).toEqual(['Resize'])
  })

  it.each<[string, (g: GraphBuilder, h: Value) => Value]>([
    ['half the size', (g, h) => g.op('Div', [h, int64([2])])],
    ['one more', (g, h) => g.op('Add', [h, int64([1])])],
    ['a size of its own', (g) => g.op('Concat', [int64([7])], { axis: 0 })],
  ])('leaves %s', async (_, height) => {
    const { ops, reasons } = await fused(height)
    expect(ops.at(-1)).toBe('Resize')
    expect(ops.length).toBeGreaterThan(1)
    expect(reasons).toEqual([expect.stringMatching(/is not by whole factors/)])
  })

  it('leaves a crop', async () => {
    const region = Tensor.fromNumbers('float32', [8], [0, 0, 0, 0, 1, 1, 0.5, 0.5])
    const attributes = { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' }
    expect((await fused(twice, attributes, { region })).ops.length).toBeGreaterThan(1)
  })

  it('leaves sizes of some axes, and those that keep the ratio (opset 18)', async () => {
    const build = (attributes: Record<string, string | number[]>, from: number) =>
      fuseGraph(
        (g) => {
          const x = g.input('x', 'float32', [1, 2, 'h', 'w'])
          const sizes = g.op('Mul', [g.op('Shape', [x], { start: from }), int64([2])])
          g.output('y', g.op('Resize', [x, undefined, undefined, sizes], attributes))
        },
        { only, opset: 18, dimensions },
      )
    expect((await build({ axes: [2, 3] }, 2)).ops.length).toBeGreaterThan(1)
    const ratio = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1, 2, 'h', 'w'])
        const sizes = g.op('Mul', [g.op('Shape', [x]), int64([1, 1, 2, 2])])
        const attributes = { keep_aspect_ratio_policy: 'not_larger', axes: [0, 1, 2, 3] }
        g.output('y', g.op('Resize', [x, undefined, undefined, sizes], attributes))
      },
      { only, opset: 18, feeds: { x: new Random(1).tensor([1, 2, 3, 5]) } },
    )
    expect(ratio.ops.length).toBeGreaterThan(1)
  })
})

testDrawn(
  'resize-scales',
  fc.record({
    factors: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    divisors: fc.tuple(fc.constantFrom(1, 1, 2), fc.constantFrom(1, 1, 2)),
    mode: fc.constantFrom('nearest', 'linear', 'cubic'),
    coordinates: fc.constantFrom('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'),
    rounding: fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
    opset: fc.constantFrom(13, 17, 18),
  }),
  ({ factors, divisors, mode, coordinates, rounding, opset }) => ({
    build: (g) => {
      const x = g.input('x', 'float32', ['n', 2, 'h', 'w'])
      const larger = g.op('Mul', [g.op('Shape', [x]), int64([1, 1, ...factors])])
      const sizes = g.op('Div', [larger, int64([1, 1, ...divisors])])
      const attributes = { mode, coordinate_transformation_mode: coordinates, nearest_mode: rounding }
      g.output('y', g.op('Resize', [x, undefined, undefined, sizes], attributes))
    },
    opset,
    dimensions,
    fires: factors.every((factor, index) => factor % (divisors[index] ?? 1) === 0),
  }),
)
