import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { inFloat64, spellStandardised } from '../../../test/support/spell-norm.ts'

const random = new Random(7)
const only = ['instance-normalization', 'normalization-affine']
const fused = fuseFunction(only, ['n', 3, 'h', 'w'])
const dimensions = { h: 4, w: 5 }
const image = { axes: [2, 3] }

describe('instance-normalization', () => {
  it.each<[string, Formula]>([
    ['PyTorch: Pow and Div', (g, x) => spellStandardised(g, x, image)],
    ['negative axes and Reciprocal', (g, x) => spellStandardised(g, x, { axes: [-1, -2], divide: 'Reciprocal' })],
    [
      'a scale and a bias for each channel',
      (g, x) =>
        g.op('Add', [
          g.op('Mul', [spellStandardised(g, x, image), random.tensor([1, 3, 1, 1])]),
          random.tensor([3, 1, 1]),
        ]),
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 13, 17, 18, 20))
      expect((await fused(formula, { ...variant, dimensions })).ops).toEqual(['InstanceNormalization'])
  })

  it('computes the same for every shape', async () => {
    const size = fc.integer({ min: 1, max: 5 })
    const shape = fc.array(size, { minLength: 4, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(shape, async (dims) => {
        fc.pre(dims.slice(2).reduce((product, dim) => product * dim, 1) > 1)
        const axes = dims.slice(2).map((_, index) => index + 2)
        const { ops } = await fuseFunction(only, dims)((g, x) => spellStandardised(g, x, { axes }), { tolerance: 1e-4 })
        expect(ops).toEqual(['InstanceNormalization'])
      }),
      { numRuns: 25 },
    )
  })

  it.each<[string, RegExp, Formula]>([
    [
      'two different means',
      /the variance over axes 3/,
      (g, x) => spellStandardised(g, x, { axes: [2, 3], varianceAxes: [3] }),
    ],
    ['an ε of 0', /its ε is 0, not above 0/, (g, x) => spellStandardised(g, x, { axes: [2, 3], epsilon: 0 })],
    ['float64', /no kernel for float64/, inFloat64((g, x) => spellStandardised(g, x, { axes: [2, 3] }))],
  ])('leaves %s alone', async (_name, reason, formula) => {
    const { report, reasons } = await fuseFunction(only, [2, 3, 4, 5])(formula)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it.each<[string, RegExp, readonly (number | string)[], number[], Options]>([
    ['one spatial axis', /not over those of an image/, [2, 3, 4, 5], [3], {}],
    ['channels as well', /not over those of an image/, [2, 3, 4, 5], [1, 2, 3], {}],
    ['rank 3', /not over those of an image/, [2, 3, 5], [2], {}],
    ['an open number of channels', /number of channels, c, is not known/, [2, 'c', 4, 5], [2, 3], {}],
  ])('leaves %s alone', async (_name, reason, shape, axes, options) => {
    const { report, reasons } = await fuseFunction(only, shape)((g, x) => spellStandardised(g, x, { axes }), options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
