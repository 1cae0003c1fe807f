import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const random = new Random(30)
const end = Number.MAX_SAFE_INTEGER
type Attributes = Parameters<GraphBuilder['op']>[2]
type Slicer = (g: GraphBuilder, x: Value, down: number, right: number, block: number) => Value

/** One Slice of two axes. */
const atOnce: Slicer = (g, x, down, right, block) =>
  g.op('Slice', [x, int64([down, right]), int64([end, end]), int64([2, 3]), int64([block, block])])

/** As torch exports x[..., ::2, 1::2]: a Slice for each axis, the last from the end of the axes. */
const oneByOne: Slicer = (g, x, down, right, block) => {
  const rows = g.op('Slice', [x, int64([down]), int64([end]), int64([2]), int64([block])])
  return g.op('Slice', [rows, int64([right]), int64([2 ** 31 - 1]), int64([-1]), int64([block])])
}

const fused = (
  stack: (g: GraphBuilder, x: Value) => Value,
  {
    shape = [1, 3, 8, 12],
    weight = [5, 12, 3, 3],
    attributes = { pads: [1, 1, 1, 1] },
    ...options
  }: CompareOptions &
    BuildOptions & { shape?: readonly (number | string)[]; weight?: readonly number[]; attributes?: Attributes } = {},
) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', shape)
      g.output('y', g.op('Conv', [stack(g, x), random.tensor(weight), random.tensor([weight[0] ?? 1])], attributes))
    },
    { only: ['focus-conv'], ...options },
  )

const focus =
  (slice: Slicer, offsets: readonly (readonly [number, number])[], block = 2, axis = 1) =>
  (g: GraphBuilder, x: Value): Value =>
    g.op(
      'Concat',
      offsets.map(([down, right]) => slice(g, x, down, right, block)),
      { axis },
    )

const yolo = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
] as const

describe('focus-conv', () => {
  it('makes one convolution of slices and a convolution, in every spelling and order', async () => {
    for (const slice of [atOnce, oneByOne]) {
      for (const order of [yolo, [...yolo].reverse()]) {
        const { ops, model } = await fused(focus(slice, order))
        expect(ops).toEqual(['Conv'])
        const [conv] = model.graph.nodes
        expect([conv?.ints('kernel_shape'), conv?.ints('strides'), conv?.ints('pads')]).toEqual([
          [6, 6],
          [2, 2],
          [2, 2, 2, 2],
        ])
      }
    }
    const fixed: Slicer = (g, x, down, right) =>
      g.op('Slice', [x, int64([right, down]), int64([12, 8]), int64([3, 2]), int64([2, 2])])
    expect((await fused(focus(fixed, yolo, 2, -3))).ops).toEqual(['Conv'])
  })

  it('needs no size of the image: slices of unequal size do not join', async () => {
    const { ops } = await fused(focus(atOnce, yolo), {
      shape: ['n', 3, 'h', 'w'],
      dimensions: { n: 1, h: 6, w: 4 },
    })
    expect(ops).toEqual(['Conv'])
  })

  it('takes SpaceToDepth, with strides and pads', async () => {
    for (const block of [2, 3]) {
      const { ops } = await fused((g, x) => g.op('SpaceToDepth', [x], { blocksize: block }), {
        shape: [2, 2, 12, 6],
        weight: [3, 2 * block * block, 2, 1],
        attributes: { pads: [1, 0, 0, 1], strides: [1, 2] },
      })
      expect(ops).toEqual(['Conv'])
    }
  })

  it('leaves slices that are not each there once, go backwards, end early, or come from elsewhere', async () => {
    const twice = [...yolo.slice(0, 3), [0, 0]] as const
    const early: Slicer = (g, x, down, right) =>
      g.op('Slice', [x, int64([down, right]), int64([6, 6]), int64([2, 3]), int64([2, 2])])
    const back: Slicer = (g, x, down, right) =>
      g.op('Slice', [x, int64([down, -1 - right]), int64([end, -100]), int64([2, 3]), int64([2, -2])])
    const elsewhere: Slicer = (g, x, down, right, block) => atOnce(g, g.op('Relu', [x]), down, right, block)
    for (const stack of [focus(atOnce, twice), focus(early, yolo), focus(back, yolo), focus(elsewhere, yolo)]) {
      expect((await fused(stack)).report.rewrites).toBe(0)
    }
    const two = await fused(focus(atOnce, yolo.slice(0, 2)), { weight: [5, 6, 3, 3] })
    expect(two.report.rewrites).toBe(0)
    const width = await fused(focus(atOnce, yolo, 2, 3), { weight: [5, 3, 3, 3] })
    expect(width.report.rewrites).toBe(0)
  })

  it('leaves dilations, groups, padding that follows the image, and stacks with other users', async () => {
    const dilated = await fused(focus(atOnce, yolo), { attributes: { dilations: [2, 1] }, shape: [1, 3, 12, 12] })
    expect(dilated.reasons[0]).toMatch(/its kernel has holes \(dilations\)/)
    const groups = await fused(focus(atOnce, yolo), { attributes: { group: 2 }, weight: [4, 6, 3, 3] })
    expect(groups.reasons[0]).toMatch(/in groups/)
    const same = await fused(focus(atOnce, yolo), { attributes: { auto_pad: 'SAME_UPPER' } })
    expect(same.reasons[0]).toMatch(/follows the size of the image/)
    const { reasons } = await fuseGraph(
      (g) => {
        const stack = g.output('stack', focus(atOnce, yolo)(g, g.input('x', 'float32', [1, 3, 8, 8])))
        g.output('y', g.op('Conv', [stack, random.tensor([5, 12, 3, 3])]))
      },
      { only: ['focus-conv'] },
    )
    expect(reasons).toEqual(['"stack" is an output of its graph'])
  })

  it('computes the same for any blocks and kernels', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const settings = fc.record({
      block: fc.integer({ min: 2, max: 3 }),
      channels: size,
      kernel: fc.tuple(size, size),
      strides: fc.tuple(size, size),
      pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
      slice: fc.constantFrom(atOnce, oneByOne),
      shift: fc.nat(8),
    })
    await fc.assert(
      fc.asyncProperty(settings, async ({ block, channels, kernel, strides, pads, slice, shift }) => {
        const offsets = Array.from({ length: block ** 2 }, (_, index) => {
          const q = (index + shift) % block ** 2
          return [Math.floor(q / block), q % block] as const
        })
        const { ops } = await fused(focus(slice, offsets, block), {
          shape: [1, channels, 4 * block, 5 * block],
          weight: [2, channels * block ** 2, ...kernel],
          attributes: { pads, strides },
        })
        expect(ops).toEqual(['Conv'])
      }),
      { numRuns: 40 },
    )
  })
})
