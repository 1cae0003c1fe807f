import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { inFloat64, spellStandardised } from '../../../test/support/spell-norm.ts'

const random = new Random(8)
const only = ['layer-normalization-channel-first', 'normalization-affine']
const fused = fuseFunction(only, ['n', 3, 4, 5])
const expected = ['Transpose', 'LayerNormalization', 'Transpose']

describe('layer-normalization-channel-first', () => {
  it.each<[string, Formula]>([
    ['ConvNeXt: over axis 1', (g, x) => spellStandardised(g, x, { axes: [1] })],
    [
      'an axis counted from the end',
      (g, x) => spellStandardised(g, x, { axes: [-3], square: 'Mul', divide: 'Reciprocal' }),
    ],
    [
      'scale and bias of [C, 1, 1]',
      (g, x) =>
        g.op('Add', [
          g.op('Mul', [random.tensor([3, 1, 1]), spellStandardised(g, x, { axes: [1] })]),
          random.tensor([1, 3, 1, 1]),
        ]),
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 13, 17, 18, 20)) expect((await fused(formula, variant)).ops).toEqual(expected)
  })

  it('computes the same for every shape', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 3, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(shape, async (dims) => {
        const scale = random.tensor([dims[1] ?? 1, ...dims.slice(2).map(() => 1)])
        const { ops } = await fuseFunction(only, dims)(
          (g, x) => g.op('Mul', [spellStandardised(g, x, { axes: [1] }), scale]),
          { tolerance: 1e-4 },
        )
        expect(ops).toEqual(expected)
      }),
      { numRuns: 25 },
    )
  })

  it.each<[string, RegExp, Formula]>([
    [
      'two different means',
      /the variance over axes 3/,
      (g, x) => spellStandardised(g, x, { axes: [1], varianceAxes: [3] }),
    ],
    ['an ε of 0', /its ε is 0, not above 0/, (g, x) => spellStandardised(g, x, { axes: [1], epsilon: 0 })],
    ['float64', /no kernel for float64/, inFloat64((g, x) => spellStandardised(g, x, { axes: [1] }))],
  ])('leaves %s alone', async (_name, reason, formula) => {
    const { report, reasons } = await fuseFunction(only, [2, 3, 4, 5])(formula)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it.each<[string, RegExp, readonly (number | string)[], number[], Options]>([
    ['axes 1 and 2', /not axis 1 alone/, [2, 3, 4, 5], [1, 2], {}],
    ['rank 2', /not axis 1 alone/, [2, 3], [1], {}],
    ['an open number of channels', /size c of axis 1/, [2, 'c', 4, 5], [1], {}],
    ['the ONNX standard before opset 17', /from opset 17 on/, [2, 3, 4, 5], [1], { opset: 16, target: 'onnx' }],
  ])('leaves %s alone', async (_name, reason, shape, axes, options) => {
    const { report, reasons } = await fuseFunction(only, shape)((g, x) => spellStandardised(g, x, { axes }), options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
