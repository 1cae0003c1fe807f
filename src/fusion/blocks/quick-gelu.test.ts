import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { choices, spellProduct, spellSum } from '../../../test/support/spell.ts'
import { Tensor } from '../../graph/index.ts'

const fused = fuseFunction(['quick-gelu'], [2, 'n', 5])

const spellings: Record<string, [Formula, number]> = {
  'SiLU: x·σ(x)': [(g, x) => g.op('Mul', [x, g.op('Sigmoid', [x])]), 1],
  'SiLU, gate first': [(g, x) => g.op('Mul', [g.op('Sigmoid', [x]), x]), 1],
  'CLIP: x·σ(1.702·x)': [(g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Mul', [1.702, x])])]), 1.702],
  'a divisor in the gate': [(g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Div', [x, 0.5])])]), 2],
  'x / (1 + exp(−x))': [(g, x) => g.op('Div', [x, g.op('Add', [g.op('Exp', [g.op('Neg', [x])]), 1])]), 1],
  'x·(1 / (1 + exp(−2x)))': [
    (g, x) => g.op('Mul', [x, g.op('Div', [1, g.op('Add', [1, g.op('Exp', [g.op('Mul', [x, -2])])])])]),
    2,
  ],
}

describe('quick-gelu', () => {
  it.each(Object.entries(spellings))('recognises %s', async (_name, [formula, alpha]) => {
    for (const variant of variants(7, 13, 17, 20)) {
      const { model, ops } = await fused(formula, variant)
      expect(ops).toEqual(['QuickGelu'])
      expect([...model.graph.nodes][0]?.float('alpha', 0)).toBeCloseTo(alpha, variant.type === 'float16' ? 3 : 6)
    }
  })

  it('recognises whatever order and association it is written in, for every α', async () => {
    const alpha = fc.double({ min: -3, max: 3, noNaN: true }).filter((number) => Math.abs(number) > 0.01)
    await fc.assert(
      fc.asyncProperty(choices(), alpha, fc.boolean(), async (choose, number, written) => {
        const { ops } = await fused((g, x) => {
          const scaled = spellProduct(g, choose, written ? -number : number, [x])
          if (!written) return spellProduct(g, choose, 1, [x, g.op('Sigmoid', [scaled])])
          return g.op('Div', [x, spellSum(g, choose, 1, [g.op('Exp', [scaled])])])
        })
        expect(ops).toEqual(['QuickGelu'])
      }),
      { numRuns: 40 },
    )
  })

  it.each<[string, Formula]>([
    ['another x in the gate', (g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Relu', [x])])])],
    ['an α for every channel', (g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Mul', [x, [1, 2, 3, 4, 5]])])])],
    ['a gate divided by', (g, x) => g.op('Div', [x, g.op('Sigmoid', [x])])],
    ['e^x', (g, x) => g.op('Div', [x, g.op('Sub', [g.op('Exp', [x]), 1])])],
  ])('is not fooled by %s', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'a gate with another user',
      /has 2 users/,
      (g, x) => {
        const gate = g.op('Sigmoid', [x])
        return g.op('Add', [g.op('Mul', [x, gate]), gate])
      },
      {},
    ],
    [
      'an α that raises the rank',
      /raises the rank/,
      (g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Mul', [x, Tensor.fromNumbers('float32', [1, 1, 1, 1], [2])])])]),
      {},
    ],
    [
      'the ONNX standard',
      /not in the ONNX standard/,
      (g, x) => g.op('Mul', [x, g.op('Sigmoid', [x])]),
      { target: 'onnx' },
    ],
    [
      'float64, for which its attribute is not exact enough',
      /no kernel for float64/,
      (g, x) => {
        const wide = g.op('Cast', [x], { to: 11 })
        return g.op('Cast', [g.op('Mul', [wide, g.op('Sigmoid', [wide])])], { to: 1 })
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(reason)])
  })
})
