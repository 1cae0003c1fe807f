import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { choices, spellProduct, spellSum } from '../../../test/support/spell.ts'
import { type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const fused = fuseFunction(['scaled-hard-sigmoid', 'hard-sigmoid'], [2, 'n', 5])
const add3 = (g: GraphBuilder, x: Value): Value => g.op('Add', [x, 3])

/** min(max(v, 0), 6) in every spelling, of opset 11 and above. */
const relu6: Record<string, Formula> = {
  Clip: (g, v) => g.op('Clip', [v, 0, 6]),
  'Min of Max': (g, v) => g.op('Min', [g.op('Max', [v, 0]), 6]),
  'Max of Min': (g, v) => g.op('Max', [0, g.op('Min', [6, v])]),
  'Min of Relu': (g, v) => g.op('Min', [g.op('Relu', [v]), 6]),
  'Relu of Min': (g, v) => g.op('Relu', [g.op('Min', [v, 6])]),
}
const clip = relu6.Clip as Formula

describe('hard-sigmoid', () => {
  it.each(Object.entries(relu6))('recognises relu6(x + 3)/6 with %s', async (_name, bounded) => {
    for (const variant of variants(12, 13, 17, 20)) {
      const { model, ops } = await fused((g, x) => g.op('Div', [bounded(g, add3(g, x)), 6]), variant)
      expect(ops).toEqual(['HardSigmoid'])
      const [node] = model.graph.nodes
      expect([node?.float('alpha', 0), node?.float('beta', 0)]).toEqual([1 / 6, 0.5])
    }
  })

  it.each<[string, Formula, Options]>([
    ['bounds as attributes', (g, x) => g.op('Div', [g.op('Clip', [add3(g, x)], { min: 0, max: 6 }), 6]), { opset: 9 }],
    ['a product with 1/6', (g, x) => g.op('Mul', [1 / 6, clip(g, add3(g, x))]), {}],
    ['bounds of 0 and 1', (g, x) => g.op('Clip', [g.op('Add', [g.op('Mul', [x, 0.2]), 0.5]), 0, 1]), {}],
  ])('recognises %s', async (_name, formula, options) => {
    expect((await fused(formula, options)).ops).toEqual(['HardSigmoid'])
  })

  it('recognises whatever order and numbers it is written with', async () => {
    const number = fc.integer({ min: 1, max: 9 })
    await fc.assert(
      fc.asyncProperty(
        choices(),
        number,
        number,
        fc.integer({ min: -9, max: 9 }),
        async (choose, upper, slope, shift) => {
          fc.pre(shift !== 0)
          const { ops } = await fused((g, x) => {
            const line = spellSum(g, choose, shift, [spellProduct(g, choose, slope, [x])])
            const bounded = Object.values(relu6)[choose(5)]
            return spellProduct(g, choose, 1 / 6, [(bounded as Formula)(g, line)])
          })
          expect(ops).toEqual(['HardSigmoid'])
          expect(upper).toBeGreaterThan(0)
        },
      ),
      { numRuns: 40 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['other bounds', /bounded to \[0, 1\.2/, (g, x) => g.op('Div', [clip(g, add3(g, x)), 5]), {}],
    ['a lower bound', /bounded to \[0\.16/, (g, x) => g.op('Div', [g.op('Clip', [add3(g, x), 1, 6]), 6]), {}],
    [
      'an upper bound below 0, turned around',
      /its upper bound is -6/,
      (g, x) => g.op('Mul', [g.op('Clip', [add3(g, x), 0, -6]), -1 / 6]),
      {},
    ],
    [
      'a shift that raises the rank',
      /raises the rank/,
      (g, x) => g.op('Div', [clip(g, g.op('Add', [x, Tensor.fromNumbers('float32', [1, 1, 1, 1], [3])])), 6]),
      {},
    ],
    ['no upper bound, times 0', /bounded to \[0, NaN\]/, (g, x) => g.op('Mul', [g.op('Clip', [add3(g, x), 0]), 0]), {}],
    ['no upper bound', /bounded to \[0, Infinity\]/, (g, x) => g.op('Div', [g.op('Clip', [add3(g, x), 0]), 6]), {}],
    ['1/6 written as 0.1667', /bounded to \[0, 1\.0002/, (g, x) => g.op('Mul', [clip(g, add3(g, x)), 0.1667]), {}],
    ['an opset without kernel', /no WebGPU kernel/, (g, x) => g.op('Div', [clip(g, add3(g, x)), 6]), { opset: 22 }],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const number = (value: number): Tensor => Tensor.fromNumbers('float64', [], [value])
        const shifted = g.op('Add', [g.op('Cast', [x], { to: 11 }), number(3)])
        const clipped = g.op('Clip', [shifted, number(0), number(6)])
        return g.op('Cast', [g.op('Div', [clipped, number(6)])], { to: 1 })
      },
      {},
    ],
    [
      'whole numbers',
      /of int32, and a HardSigmoid of floats/,
      (g, x) => {
        const number = (value: number): Tensor => Tensor.fromNumbers('int32', [], [value])
        const shifted = g.op('Add', [g.op('Cast', [x], { to: 6 }), number(3)])
        const clipped = g.op('Clip', [shifted, number(0), number(6)])
        return g.op('Cast', [g.op('Div', [clipped, number(6)])], { to: 1 })
      },
      { target: 'onnx' },
    ],
    [
      'float64 within float16 of it',
      /bounded to \[0, 0\.9998/,
      (g, x) => {
        const number = (value: number): Tensor => Tensor.fromNumbers('float64', [], [value])
        const shifted = g.op('Add', [g.op('Cast', [x], { to: 11 }), number(3)])
        const clipped = g.op('Clip', [shifted, number(0), number(5.999)])
        return g.op('Cast', [g.op('Div', [clipped, number(6)])], { to: 1 })
      },
      { target: 'onnx' },
    ],
    [
      'a clip with another user',
      /has 2 users/,
      (g, x) => {
        const clipped = clip(g, add3(g, x))
        return g.op('Add', [g.op('Div', [clipped, 6]), clipped])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})

describe('scaled-hard-sigmoid', () => {
  it.each<[string, Formula]>([
    ['PaddlePaddle: x·clip(x + 3)/6', (g, x) => g.op('Div', [g.op('Mul', [x, clip(g, add3(g, x))]), 6])],
    ['a sixth of x first', (g, x) => g.op('Mul', [g.op('Mul', [x, 1 / 6]), clip(g, add3(g, x))])],
    ['a gate for other data', (g, x) => g.op('Div', [g.op('Mul', [clip(g, add3(g, x)), g.op('Neg', [x])]), 6])],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(12, 17, 20)) {
      const { ops } = await fused(formula, variant)
      expect(ops.filter((op) => op !== 'Neg')).toEqual(['HardSigmoid', 'Mul'])
    }
  })

  const size = fc.integer({ min: 1, max: 9 })
  testDrawn(
    'scaled-hard-sigmoid',
    fc.record({
      choose: choices(),
      upper: size,
      factor: size,
      slope: size,
      shift: size,
      gated: shapes({ max: 4 }),
      opset: fc.constantFrom(11, 13, 17),
    }),
    ({ choose, upper, factor, slope, shift, gated, opset }) => ({
      opset,
      // Only what ends in 1 is a gate; what does so before it is scaled may be taken as one.
      ...(upper === 1 ? {} : { fires: upper === factor }),
      build: (g) => {
        const [x, y] = [g.input('x', 'float32', [3, 1]), g.input('z', 'float32', [...gated.slice(0, -1), 3, 4])]
        const line = spellSum(g, choose, shift / 2, [spellProduct(g, choose, slope / 4, [x])])
        g.output('y', spellProduct(g, choose, 1 / factor, [y, g.op('Clip', [line, 0, upper])]))
      },
    }),
  )

  it.each<[string, RegExp, Formula, Options]>([
    ['other bounds', /bounded to \[0, 1\.2/, (g, x) => g.op('Div', [g.op('Mul', [x, clip(g, add3(g, x))]), 5]), {}],
    [
      'an opset without kernel',
      /no WebGPU kernel/,
      (g, x) => g.op('Div', [g.op('Mul', [x, clip(g, add3(g, x))]), 6]),
      { opset: 22 },
    ],
    [
      'a divisor that raises the rank',
      /raises the rank/,
      (g, x) => g.op('Div', [g.op('Mul', [x, clip(g, add3(g, x))]), Tensor.fromNumbers('float32', [1, 1, 1, 1], [6])]),
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const number = (value: number): Tensor => Tensor.fromNumbers('float64', [], [value])
        const wide = g.op('Cast', [x], { to: 11 })
        const clipped = g.op('Clip', [g.op('Add', [wide, number(3)]), number(0), number(6)])
        return g.op('Cast', [g.op('Div', [g.op('Mul', [wide, clipped]), number(6)])], { to: 1 })
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fuseFunction(['scaled-hard-sigmoid'], [2, 'n', 5])(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
