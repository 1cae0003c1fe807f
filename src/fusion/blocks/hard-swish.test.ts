import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { choices, spellProduct, spellSum } from '../../../test/support/spell.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const fused = fuseFunction(['scaled-hard-sigmoid', 'hard-sigmoid', 'hard-swish'], [2, 'n', 5])
const relu6 = (g: GraphBuilder, x: Value): Value => g.op('Clip', [g.op('Add', [x, 3]), 0, 6])
const gate = (g: GraphBuilder, x: Value): Value => g.op('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.5 })

describe('hard-swish', () => {
  it.each<[string, Formula]>([
    ['PaddlePaddle: x·clip(x + 3)/6', (g, x) => g.op('Div', [g.op('Mul', [x, relu6(g, x)]), 6])],
    ['PyTorch: x·(relu6(x + 3)/6)', (g, x) => g.op('Mul', [x, g.op('Div', [relu6(g, x), 6])])],
    ['TensorFlow: x·(relu6(x + 3)·⅙)', (g, x) => g.op('Mul', [g.op('Mul', [relu6(g, x), 1 / 6]), x])],
    ['x·HardSigmoid(x)', (g, x) => g.op('Mul', [x, gate(g, x)])],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(14, 17, 20)) expect((await fused(formula, variant)).ops).toEqual(['HardSwish'])
    expect((await fused(formula, { opset: 13 })).ops).toEqual(['HardSigmoid', 'Mul'])
  })

  it('recognises whatever order and association it is written in', async () => {
    await fc.assert(
      fc.asyncProperty(choices(), async (choose) => {
        const { ops } = await fused((g, x) =>
          spellProduct(g, choose, 1 / 6, [x, g.op('Clip', [spellSum(g, choose, 3, [x]), 0, 6])]),
        )
        expect(ops).toEqual(['HardSwish'])
      }),
      { numRuns: 40 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['opset 13', /from opset 14 on/, (g, x) => g.op('Mul', [x, gate(g, x)]), { opset: 13 }],
    ['opset 22', /no WebGPU kernel/, (g, x) => g.op('Mul', [x, gate(g, x)]), { opset: 22 }],
    [
      'another slope',
      /its α and β are .*, not 1\/6 and 1\/2/,
      (g, x) => g.op('Mul', [x, g.op('HardSigmoid', [x])]),
      {},
    ],
    [
      'another shift',
      /its α and β are .*, not 1\/6 and 1\/2/,
      (g, x) => g.op('Mul', [x, g.op('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.4 })]),
      {},
    ],
    [
      'a gate with another user',
      /has 2 users/,
      (g, x) => {
        const value = gate(g, x)
        return g.op('Add', [g.op('Mul', [x, value]), value])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
