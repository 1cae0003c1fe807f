import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { choices, spellProduct, spellSum } from '../../../test/support/spell.ts'
import { type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const fused = fuseFunction(['fast-gelu'], [2, 'n', 5])
const root = Math.sqrt(2 / Math.PI)

/** ½·x·(1 + t) as GPT-2 writes it. */
const around = (g: GraphBuilder, x: Value, t: Value): Value => g.op('Mul', [g.op('Mul', [0.5, x]), g.op('Add', [1, t])])

const spellings: Record<string, Formula> = {
  'GPT-2: with Pow(x, 3)': (g, x) => {
    const cubic = g.op('Mul', [g.op('Pow', [x, 3]), 0.044715])
    return around(g, x, g.op('Tanh', [g.op('Mul', [g.op('Add', [x, cubic]), root])]))
  },
  'the cube as a product': (g, x) => {
    const cubic = g.op('Mul', [0.044715, g.op('Mul', [g.op('Mul', [x, x]), x])])
    return around(g, x, g.op('Tanh', [g.op('Mul', [root, g.op('Add', [cubic, x])])]))
  },
  'FastGELU of transformers: x taken out of the sum': (g, x) => {
    const polynomial = g.op('Add', [g.op('Mul', [g.op('Mul', [x, 0.044715]), x]), 1])
    return around(g, x, g.op('Tanh', [g.op('Mul', [g.op('Mul', [x, 0.7978845608]), polynomial])]))
  },
  'multiplied out': (g, x) => {
    const cubic = g.op('Mul', [g.op('Mul', [x, g.op('Mul', [x, x])]), 0.044715])
    const half = g.op('Mul', [x, 0.5])
    return g.op('Add', [g.op('Mul', [half, g.op('Tanh', [g.op('Mul', [g.op('Add', [x, cubic]), root])])]), half])
  },
}
const gpt2 = spellings['GPT-2: with Pow(x, 3)'] as Formula

describe('fast-gelu', () => {
  it.each(Object.entries(spellings))('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 13, 17)) expect((await fused(formula, variant)).ops).toEqual(['FastGelu'])
    const { model, ops } = await fused(formula, { opset: 20, target: 'onnx' })
    expect(ops).toEqual(['Gelu'])
    expect([...model.graph.nodes][0]?.string('approximate', '')).toBe('tanh')
  })

  it('recognises whatever order and association it is written in', async () => {
    await fc.assert(
      fc.asyncProperty(choices(), async (choose) => {
        const { ops } = await fused((g, x) => {
          const cubic = spellProduct(g, choose, 0.044715, [x, x, x])
          const inner = spellProduct(g, choose, root, [spellSum(g, choose, 0, [x, cubic])])
          return spellProduct(g, choose, 0.5, [x, spellSum(g, choose, 1, [g.op('Tanh', [inner])])])
        })
        expect(ops).toEqual(['FastGelu'])
      }),
      { numRuns: 40 },
    )
  })

  it.each<[string, Formula]>([
    [
      'erf in the place of tanh',
      (g, x) =>
        around(
          g,
          x,
          g.op('Erf', [g.op('Mul', [g.op('Add', [x, g.op('Mul', [g.op('Pow', [x, 3]), 0.044715])]), root])]),
        ),
    ],
    [
      'another coefficient',
      (g, x) =>
        around(g, x, g.op('Tanh', [g.op('Mul', [g.op('Add', [x, g.op('Mul', [g.op('Pow', [x, 3]), 0.0447])]), root])])),
    ],
    [
      'a fourth power',
      (g, x) =>
        around(
          g,
          x,
          g.op('Tanh', [g.op('Mul', [g.op('Add', [x, g.op('Mul', [g.op('Pow', [x, 4]), 0.044715])]), root])]),
        ),
    ],
  ])('is not fooled by %s', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) => {
        const cubic = g.op('Mul', [g.op('Pow', [x, 3]), Tensor.fromNumbers('float32', [1, 1, 1, 1], [0.044715])])
        return around(g, x, g.op('Tanh', [g.op('Mul', [g.op('Add', [x, cubic]), root])]))
      },
      {},
    ],
    [
      'a scalar, which wasm refuses',
      /is not known to have an axis/,
      (g, x) => gpt2(g, g.op('ReduceMean', [x], { keepdims: 0 })),
      {},
    ],
    [
      'float64, for which its constants are not exact enough',
      /no kernel for float64/,
      (g, x) => {
        const number = (value: number): Tensor => Tensor.fromNumbers('float64', [], [value])
        const wide = g.op('Cast', [x], { to: 11 })
        const cubic = g.op('Mul', [g.op('Pow', [wide, number(3)]), number(0.044715)])
        const tanh = g.op('Tanh', [g.op('Mul', [g.op('Add', [wide, cubic]), number(root)])])
        const half = g.op('Mul', [wide, number(0.5)])
        return g.op('Cast', [g.op('Mul', [half, g.op('Add', [tanh, number(1)])])], { to: 1 })
      },
      {},
    ],
    ['the ONNX standard alone', /from opset 20 on/, gpt2, { target: 'onnx' }],
    [
      'another user of a value in between',
      /has 2 users/,
      (g, x) => {
        const tanh = g.op('Tanh', [g.op('Mul', [g.op('Add', [x, g.op('Mul', [g.op('Pow', [x, 3]), 0.044715])]), root])])
        return g.op('Concat', [around(g, x, tanh), tanh], { axis: 0 })
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(reason)])
  })
})
