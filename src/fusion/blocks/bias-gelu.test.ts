import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const random = new Random(3)
const fused = fuseFunction(['gelu', 'bias-gelu'], [2, 'n', 5])
const gelu = (g: GraphBuilder, x: Value): Value => g.op('Gelu', [x], {}, { domain: 'com.microsoft' })
const opsets = { 'com.microsoft': 1 }

describe('bias-gelu', () => {
  it.each<[string, Formula, Options]>([
    ['a bias on the right', (g, x) => gelu(g, g.op('Add', [x, random.tensor([5])])), { opsets }],
    ['a bias on the left', (g, x) => gelu(g, g.op('Add', [random.tensor([5]), x])), { opsets }],
    ["the standard's Gelu", (g, x) => g.op('Gelu', [g.op('Add', [x, random.tensor([5])])]), { opset: 20 }],
    [
      'a Gelu written out',
      (g, x) => {
        const sum = g.op('Add', [x, random.tensor([5])])
        return g.op('Mul', [g.op('Mul', [sum, g.op('Add', [g.op('Erf', [g.op('Div', [sum, Math.SQRT2])]), 1])]), 0.5])
      },
      {},
    ],
  ])('absorbs %s', async (_name, formula, options) => {
    for (const variant of variants(options.opset ?? 13, 21))
      expect((await fused(formula, { ...options, ...variant })).ops).toEqual(['BiasGelu'])
  })

  it('computes the same for every shape', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(shape, async (dims) => {
        const bias = random.tensor([dims.at(-1) ?? 1])
        const { ops } = await fuseFunction(['bias-gelu'], dims)((g, x) => gelu(g, g.op('Add', [x, bias])), { opsets })
        expect(ops).toEqual(['BiasGelu'])
      }),
      { numRuns: 20 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'a bias for every pixel',
      /not one number a channel/,
      (g, x) => gelu(g, g.op('Add', [x, random.tensor([1, 3, 5])])),
      { opsets, dimensions: { n: 3 } },
    ],
    [
      'a bias that stretches the data',
      /not one number a channel/,
      (g, x) => gelu(g, g.op('Add', [g.op('ReduceMean', [x], { axes: [-1], keepdims: 1 }), random.tensor([4])])),
      { opsets },
    ],
    [
      'a bias that is computed',
      /is computed, not a constant|is a graph input/,
      (g, x) => gelu(g, g.op('Add', [x, g.op('Neg', [x])])),
      { opsets },
    ],
    [
      'a sum with another user',
      /has 2 users/,
      (g, x) => {
        const sum = g.op('Add', [x, random.tensor([5])])
        return g.op('Add', [gelu(g, sum), sum])
      },
      { opsets },
    ],
    [
      'the tanh form',
      /tanh form/,
      (g, x) => g.op('Gelu', [g.op('Add', [x, random.tensor([5])])], { approximate: 'tanh' }),
      { opset: 20 },
    ],
    [
      'the ONNX standard',
      /not in the ONNX standard/,
      (g, x) => g.op('Gelu', [g.op('Add', [x, random.tensor([5])])]),
      { opset: 20, target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(reason)])
  })
})
