import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type BuildOptions, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const only = ['no-op-resize']
const scales = (...numbers: number[]): Tensor => Tensor.fromNumbers('float32', [numbers.length], numbers)
const ones = scales(1, 1, 1, 1)

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  { shape = [1, 2, 3, 5], ...options }: CompareOptions & BuildOptions & { shape?: (number | string)[] } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.op('Neg', [g.input('x', 'float32', shape)]))), { only, ...options })

describe('no-op-resize drops', () => {
  it.each(['nearest', 'linear', 'cubic'])('a Resize by 1 with mode %s', async (mode) => {
    for (const coordinate_transformation_mode of ['half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel']) {
      const { ops } = await fused((g, x) =>
        g.op('Resize', [x, undefined, ones], { mode, coordinate_transformation_mode }),
      )
      expect(ops).toEqual(['Neg'])
    }
  })

  it('Upsample, and Resize in its first version', async () => {
    expect((await fused((g, x) => g.op('Upsample', [x, ones]), { opset: 9 })).ops).toEqual(['Neg'])
    expect((await fused((g, x) => g.op('Resize', [x, ones]), { opset: 10 })).ops).toEqual(['Neg'])
    expect((await fused((g, x) => g.op('Upsample', [x], { scales: [1, 1, 1, 1] }), { opset: 7 })).ops).toEqual(['Neg'])
  })

  it('a Resize to the sizes that are there', async () => {
    expect((await fused((g, x) => g.op('Resize', [x, undefined, undefined, int64([1, 2, 3, 5])]))).ops).toEqual(['Neg'])
    const { ops } = await fused((g, x) => g.op('Resize', [x, undefined, undefined, g.op('Shape', [x])]), {
      shape: [1, 2, 'h', 'w'],
    })
    expect(ops).toEqual(['Neg'])
  })
})

describe('no-op-resize keeps', () => {
  it('scales that leave the size and move the pixels', async () => {
    const { ops } = await fused((g, x) => g.op('Resize', [x, undefined, scales(1, 1, 1.3, 1.1)], { mode: 'linear' }))
    expect(ops).toEqual(['Neg', 'Resize'])
  })

  it('another size', async () => {
    expect((await fused((g, x) => g.op('Resize', [x, undefined, undefined, int64([1, 2, 6, 5])]))).ops).toEqual([
      'Neg',
      'Resize',
    ])
  })

  it('a crop', async () => {
    const roi = Tensor.fromNumbers('float32', [8], [0, 0, 0, 0, 1, 1, 0.5, 0.5])
    const attributes = { coordinate_transformation_mode: 'tf_crop_and_resize', mode: 'linear' }
    const { ops } = await fused((g, x) => g.op('Resize', [x, roi, ones], attributes))
    expect(ops).toEqual(['Neg', 'Resize'])
  })
})

testDrawn(
  'no-op-resize',
  fc.record({
    factors: fc.tuple(fc.constantFrom(1, 1, 2, 0.5), fc.constantFrom(1, 1, 3, 1.5)),
    bySizes: fc.boolean(),
    mode: fc.constantFrom('nearest', 'linear', 'cubic'),
    coordinates: fc.constantFrom('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'),
    image: fc.tuple(fc.constantFrom(2, 4), fc.constantFrom(2, 4)),
    opset: fc.constantFrom(9, 10, 11, 13, 18),
  }),
  ({ factors, bySizes, mode, coordinates, image: [h, w], opset }) => ({
    build: (g) => {
      const x = g.op('Neg', [g.input('x', 'float32', [1, 2, h, w])])
      const [vertical, horizontal] = factors
      const all = scales(1, 1, vertical, horizontal)
      const none = scales()
      const operands = bySizes
        ? [opset < 13 ? none : undefined, opset < 13 ? none : undefined, int64([1, 2, h * vertical, w * horizontal])]
        : [opset < 13 ? none : undefined, all]
      const older = { mode: mode === 'cubic' ? 'linear' : mode }
      const y =
        opset < 11
          ? g.op(opset < 10 ? 'Upsample' : 'Resize', [x, scales(1, 1, Math.max(vertical, 1), horizontal)], older)
          : g.op('Resize', [x, ...operands], { mode, coordinate_transformation_mode: coordinates })
      g.output('y', y)
    },
    opset,
    fires: factors.every((factor) => factor === 1 || (opset < 11 && factor < 1)),
  }),
)
