import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['depth-to-space']
const fused = fuseFunction(only, ['n', 8, 3, 5])
const shuffled = (g: GraphBuilder, x: Value, apart: number[], perm: number[], whole: number[]): Value =>
  g.op('Reshape', [g.op('Transpose', [g.op('Reshape', [x, int64(apart)])], { perm }), int64(whole)])

const spellings: Record<string, [Formula, string]> = {
  'PyTorch: pixel_shuffle': [(g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 1, 4, 2, 5, 3], [-1, 2, 6, 10]), 'CRD'],
  'TensorFlow: depth_to_space': [
    (g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 3, 4, 1, 5, 2], [-1, 2, 6, 10]),
    'DCR',
  ],
  'one channel, which has no axis of its own': [
    (g, x) =>
      shuffled(
        g,
        g.op('Slice', [x, int64([0]), int64([4]), int64([1])]),
        [-1, 2, 2, 3, 5],
        [0, 3, 1, 4, 2],
        [-1, 1, 6, 10],
      ),
    'CRD',
  ],
}

describe('depth-to-space', () => {
  it.each(Object.entries(spellings))('recognises %s', async (_name, [formula, mode]) => {
    for (const variant of variants(11, 13, 17, 20)) {
      const { ops, model } = await fused(formula, variant)
      expect(ops.at(-1)).toBe('DepthToSpace')
      expect([...model.graph.nodes].at(-1)?.string('mode', '')).toBe(mode)
    }
  })

  it('computes the same for every size and mode', async () => {
    const size = fc.integer({ min: 2, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        size,
        size,
        fc.integer({ min: 2, max: 3 }),
        fc.boolean(),
        fc.boolean(),
        async (n, c, h, w, b, outer, open) => {
          const batch = open ? -1 : n
          const apart = outer ? [batch, c, b, b, h, w] : [batch, b, b, c, h, w]
          const perm = outer ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
          const { ops } = await fuseFunction(only, [open ? 'n' : n, c * b * b, h, w])((g, x) =>
            shuffled(g, x, apart, perm, [batch, c, h * b, w * b]),
          )
          expect(ops).toEqual(['DepthToSpace'])
        },
      ),
      { numRuns: 25 },
    )
  })

  it.each<[string, RegExp | undefined, Formula, Options]>([
    ['a channel shuffle', undefined, (g, x) => shuffled(g, x, [-1, 2, 4, 3, 5], [0, 2, 1, 3, 4], [-1, 8, 3, 5]), {}],
    [
      'blocks that are not square',
      undefined,
      (g, x) => shuffled(g, x, [-1, 1, 4, 2, 3, 5], [0, 1, 4, 2, 5, 3], [-1, 1, 12, 10]),
      {},
    ],
    [
      'rows and columns exchanged',
      undefined,
      (g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 1, 5, 2, 4, 3], [-1, 2, 10, 6]),
      {},
    ],
    [
      'blocks outside the rows',
      undefined,
      (g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 1, 2, 4, 3, 5], [-1, 2, 6, 10]),
      {},
    ],
    [
      'blocks exchanged',
      undefined,
      (g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 1, 4, 3, 5, 2], [-1, 2, 6, 10]),
      {},
    ],
    [
      'opset 9',
      /no WebGPU kernel/,
      (g, x) => shuffled(g, x, [-1, 2, 2, 2, 3, 5], [0, 1, 4, 2, 5, 3], [-1, 2, 6, 10]),
      { opset: 9 },
    ],
    [
      'integers',
      /no kernel for int32/,
      (g, x) =>
        g.op(
          'Cast',
          [shuffled(g, g.op('Cast', [x], { to: 6 }), [-1, 2, 2, 2, 3, 5], [0, 1, 4, 2, 5, 3], [-1, 2, 6, 10])],
          { to: 1 },
        ),
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    if (reason !== undefined) expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
