import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { inFloat64, spellMean, spellRms } from '../../../test/support/spell-norm.ts'
import { Tensor } from '../../graph/index.ts'

const random = new Random(6)
const only = ['rms-normalization', 'normalization-affine']
const fused = fuseFunction(only, ['n', 3, 6])

describe('rms-normalization', () => {
  it.each<[string, Formula]>([
    [
      'LLaMA: Reciprocal, weight last',
      (g, x) => g.op('Mul', [random.tensor([6]), spellRms(g, x, { divide: 'Reciprocal' })]),
    ],
    ['T5: Div', (g, x) => g.op('Mul', [spellRms(g, x), random.tensor([6])])],
    ['a product for the square', (g, x) => spellRms(g, x, { square: 'Mul', divide: '1/x' })],
    ['a power of −½', (g, x) => spellRms(g, x, { divide: 'Pow' })],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 13, 17, 18, 20))
      expect((await fused(formula, variant)).ops).toEqual(['SimplifiedLayerNormalization'])
    expect((await fused(formula, { opset: 23, target: 'onnx' })).ops).toEqual(['RMSNormalization'])
  })

  it('computes the same for every shape and spelling', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(13, 18),
        fc.record({
          square: fc.constantFrom('Pow' as const, 'Mul' as const),
          divide: fc.constantFrom('Div' as const, 'Reciprocal' as const, '1/x' as const, 'Pow' as const),
        }),
        async (shape, opset, spelling) => {
          const scale = random.tensor([shape.at(-1) ?? 1])
          const { ops } = await fuseFunction(only, shape)((g, x) => g.op('Mul', [spellRms(g, x, spelling), scale]), {
            opset,
          })
          expect(ops).toEqual(['SimplifiedLayerNormalization'])
        },
      ),
      { numRuns: 30 },
    )
  })

  it.each<[string, Formula]>([
    ['an exponent of 3', (g, x) => spellRms(g, g.op('Abs', [x]), { exponent: 3 })],
    [
      'another x divided',
      (g, x) =>
        g.op('Div', [g.op('Abs', [x]), g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [x, x]), [-1]), 1e-5])])]),
    ],
    [
      'the root multiplied',
      (g, x) => g.op('Mul', [x, g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [x, x]), [-1]), 1e-5])])]),
    ],
  ])('is not fooled by %s', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['axis 1', /not the last/, (g, x) => spellRms(g, x, { axes: [1] }), {}],
    ['an ε of 0', /its ε is .*, not above 0/, (g, x) => spellRms(g, x, { epsilon: 0 }), {}],
    ['float64', /no kernel for float64/, inFloat64((g, x) => spellRms(g, x)), {}],
    [
      'axes that are not kept',
      /does not keep/,
      (g, x) => spellRms(g, g.op('Flatten', [x], { axis: 0 }), { axes: [0, 1], keepdims: 0 }),
      {},
    ],
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) => {
        const epsilon = Tensor.fromNumbers('float32', [1, 1, 1, 1], [1e-5])
        return g.op('Div', [x, g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [x, x]), [-1]), epsilon])])])
      },
      {},
    ],
    ['the ONNX standard before opset 23', /from opset 23 on/, (g, x) => spellRms(g, x), { target: 'onnx' }],
    [
      'a root with another user',
      /has 2 users/,
      (g, x) => {
        const root = g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [x, x]), [-1]), 1e-5])])
        return g.op('Add', [g.op('Div', [x, root]), root])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves a last axis of open size, and no known rank, alone', async () => {
    const open = await fuseFunction(only, [2, 'n'])((g, x) => spellRms(g, x))
    expect(open.report.fusions).toEqual({})
    expect(open.reasons).toContainEqual(expect.stringMatching(/sizes n of the axes/))
    const unknown = await fuseGraph((g) => g.output('y', spellRms(g, g.input('x', 'float32'))), {
      only,
      feeds: { x: random.tensor([2, 4]) },
    })
    expect(unknown.report.fusions).toEqual({})
    expect(unknown.reasons).toEqual([expect.stringMatching(/the rank of .* is not known/)])
  })
})
