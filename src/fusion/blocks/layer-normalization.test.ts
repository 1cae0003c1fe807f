import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { spellMean, spellStandardised } from '../../../test/support/spell-norm.ts'
import { int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(5)
const only = ['layer-normalization', 'normalization-affine']
const fused = fuseFunction(only, ['n', 3, 6])

describe('layer-normalization', () => {
  it.each<[string, Formula]>([
    ['PyTorch: Pow and Div', (g, x) => spellStandardised(g, x)],
    ['a product for the square', (g, x) => spellStandardised(g, x, { square: 'Mul' })],
    ['the dynamo exporter: Reciprocal', (g, x) => spellStandardised(g, x, { divide: 'Reciprocal' })],
    ['TensorFlow: 1 / √', (g, x) => spellStandardised(g, x, { divide: '1/x', epsilon: 1e-3 })],
    ['a power of −½', (g, x) => spellStandardised(g, x, { divide: 'Pow' })],
    ['an axis counted from the front', (g, x) => spellStandardised(g, x, { axes: [2] })],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 13, 17, 18, 20)) {
      const { ops, model } = await fused(formula, variant)
      expect(ops).toEqual(['LayerNormalization'])
      expect([...model.graph.nodes][0]?.int('axis')).toBe(-1)
    }
  })

  it('recognises scale and bias around it', async () => {
    const { ops } = await fused((g, x) =>
      g.op('Add', [random.tensor([6]), g.op('Mul', [spellStandardised(g, x), random.tensor([6])])]),
    )
    expect(ops).toEqual(['LayerNormalization'])
  })

  it('recognises it over several last axes', async () => {
    const { ops, model } = await fused((g, x) =>
      g.op('Mul', [spellStandardised(g, x, { axes: [-1, -2] }), random.tensor([3, 6])]),
    )
    expect(ops).toEqual(['LayerNormalization'])
    expect([...model.graph.nodes][0]?.int('axis')).toBe(-2)
  })

  it('computes the same for every shape, spelling, scale and bias', async () => {
    const size = fc.integer({ min: 1, max: 7 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(11, 17, 18),
        fc.record({
          square: fc.constantFrom('Pow' as const, 'Mul' as const),
          divide: fc.constantFrom('Div' as const, 'Reciprocal' as const, '1/x' as const, 'Pow' as const),
          epsilon: fc.constantFrom(1e-5, 1e-6, 1e-3),
        }),
        fc.boolean(),
        async (shape, opset, spelling, affine) => {
          const channels = shape.at(-1) ?? 1
          const { ops } = await fuseFunction(only, shape)(
            (g, x) => {
              const normal = spellStandardised(g, x, spelling)
              return affine
                ? g.op('Add', [g.op('Mul', [normal, random.tensor([channels])]), random.tensor([channels])])
                : normal
            },
            { opset, tolerance: 1e-4 },
          )
          expect(ops).toEqual(['LayerNormalization'])
        },
      ),
      { numRuns: 40 },
    )
  })

  it('computes the same in float16', async () => {
    const half = (number: number): Tensor => Tensor.fromNumbers('float16', [], [number])
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float16', [3, 8])
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        const biased = g.op('Add', [spellMean(g, g.op('Pow', [centred, half(2)]), [-1]), half(1e-4)])
        g.output('y', g.op('Div', [centred, g.op('Sqrt', [biased])]))
      },
      { only, tolerance: 5e-3 },
    )
    expect(ops).toEqual(['LayerNormalization'])
  })

  it.each<[string, Formula]>([
    ['an exponent of 4', (g, x) => spellStandardised(g, x, { exponent: 4 })],
    [
      'ε outside the root',
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        return g.op('Div', [
          centred,
          g.op('Add', [g.op('Sqrt', [spellMean(g, g.op('Mul', [centred, centred]), [-1])]), 1e-5]),
        ])
      },
    ],
    [
      'the mean of something else',
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, g.op('Relu', [x]), [-1])])
        return g.op('Div', [
          centred,
          g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), 1e-5])]),
        ])
      },
    ],
    [
      'the variance of something else',
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        return g.op('Div', [centred, g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [x, x]), [-1]), 1e-5])])])
      },
    ],
    [
      'mean − x',
      (g, x) => {
        const centred = g.op('Sub', [spellMean(g, x, [-1]), x])
        return g.op('Div', [
          x,
          g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), 1e-5])]),
        ])
      },
    ],
  ])('is not fooled by %s', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['axis 1', /not the last/, (g, x) => spellStandardised(g, x, { axes: [1] }), {}],
    [
      'two different means',
      /the variance over axes 1,2/,
      (g, x) => spellStandardised(g, x, { varianceAxes: [1, 2] }),
      {},
    ],
    [
      'an axis without elements',
      /sizes 0 of the axes it is over are not known, or 0/,
      (g, x) => spellStandardised(g, g.op('Slice', [x, int64([0]), int64([0]), int64([2])])),
      {},
    ],
    [
      'axes that are not kept',
      /does not keep/,
      (g, x) => spellStandardised(g, g.op('Flatten', [x], { axis: 0 }), { axes: [0], keepdims: 0 }),
      {},
    ],
    [
      'axes that are kept by no number but 1',
      /does not keep/,
      (g, x) => spellStandardised(g, g.op('Flatten', [x], { axis: 0 }), { axes: [0], keepdims: 2 }),
      {},
    ],
    ['an ε of 0', /its ε is .*, not above 0/, (g, x) => spellStandardised(g, x, { epsilon: 0 }), {}],
    [
      'a negative ε',
      /its ε is .*, not above 0/,
      (g, x) => spellStandardised(g, g.op('Mul', [x, 3]), { epsilon: -1e-4 }),
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = g.op('Cast', [x], { to: 11 })
        const centred = g.op('Sub', [wide, spellMean(g, wide, [-1])])
        const number = (value: number): Tensor => Tensor.fromNumbers('float64', [], [value])
        const biased = g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), number(1e-5)])
        return g.op('Cast', [g.op('Div', [centred, g.op('Sqrt', [biased])])], { to: 1 })
      },
      {},
    ],
    [
      'another user of what is in between',
      /has 2 users/,
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        const root = g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), 1e-5])])
        return g.op('Add', [g.op('Div', [centred, root]), root])
      },
      {},
    ],
    [
      'a graph output in between',
      /is an output/,
      (g, x) => {
        const centred = g.output('centred', g.op('Sub', [x, spellMean(g, x, [-1])]))
        return g.op('Div', [
          centred,
          g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), 1e-5])]),
        ])
      },
      {},
    ],
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        const epsilon = Tensor.fromNumbers('float32', [1, 1, 1, 1], [1e-5])
        return g.op('Div', [
          centred,
          g.op('Sqrt', [g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), epsilon])]),
        ])
      },
      {},
    ],
    [
      'the ONNX standard before opset 17',
      /from opset 17 on/,
      (g, x) => spellStandardised(g, x),
      { opset: 16, target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves a last axis of open size alone', async () => {
    const { report, reasons } = await fuseFunction(only, [2, 'n'])((g, x) => spellStandardised(g, x))
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(/sizes n of the axes/))
  })
})

it('layer-normalization leaves alone a mean that reduces nothing', () => {
  const reasons = reasonsForLeaving(
    'layer-normalization',
    (g) => {
      const mean = (x: Value): Value => g.op('ReduceMean', [x], { noop_with_empty_axes: 1 })
      const x = g.input('x', 'float32', [2, 4])
      const centred = g.op('Sub', [x, mean(x)])
      const deviation = g.op('Sqrt', [g.op('Add', [mean(g.op('Mul', [centred, centred])), 1e-5])])
      g.output('y', g.op('Div', [centred, deviation]))
    },
    { opset: 18 },
  )
  expect(reasons).toEqual([expect.stringMatching(/ReduceMean.* reduces nothing/)])
})
