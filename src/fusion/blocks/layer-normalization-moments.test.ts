import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { inFloat64, spellMean } from '../../../test/support/spell-norm.ts'
import { buildModel, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(8)
const only = ['layer-normalization', 'layer-normalization-moments', 'normalization-affine']
const fused = fuseFunction(only, ['n', 3, 6])

interface Spelling {
  /** mean((x − μ)²), mean(x²) − μ², or the latter held above 0. */
  variance?: 'distance' | 'difference' | 'Max' | 'Relu'
  /** (x − μ)·g + β, x·g + (β − μ·g), or x·g + (−μ·g + β). */
  form?: 'centred' | 'TensorFlow' | 'Keras'
  inverse?: 'Reciprocal' | 'Pow'
  scale?: Tensor | undefined
  bias?: Tensor | undefined
  axes?: readonly number[]
  varianceAxes?: readonly number[]
  epsilon?: number
}

function spell(g: GraphBuilder, x: Value, spelling: Spelling = {}): Value {
  const { variance = 'distance', form = 'centred', inverse = 'Reciprocal', scale, bias, epsilon = 1e-3 } = spelling
  const { axes = [-1], varianceAxes = axes } = spelling
  const mean = spellMean(g, x, axes)
  const isCentred = form === 'centred' || variance === 'distance'
  const centred = isCentred ? g.op('Sub', [x, mean]) : x
  const moments = (): Value => {
    if (variance === 'distance') return spellMean(g, g.op('Mul', [centred, centred]), varianceAxes)
    const difference = g.op('Sub', [spellMean(g, g.op('Mul', [x, x]), varianceAxes), g.op('Mul', [mean, mean])])
    if (variance === 'difference') return difference
    return variance === 'Max' ? g.op('Max', [0, difference]) : g.op('Relu', [difference])
  }
  const biased = g.op('Add', [moments(), epsilon])
  const root = inverse === 'Pow' ? g.op('Pow', [biased, -0.5]) : g.op('Reciprocal', [g.op('Sqrt', [biased])])
  const gain = scale === undefined ? root : g.op('Mul', [root, scale])
  if (form === 'centred') {
    const scaled = g.op('Mul', [centred, gain])
    return bias === undefined ? scaled : g.op('Add', [scaled, bias])
  }
  const scaled = g.op('Mul', [x, gain])
  if (form === 'TensorFlow') {
    const shift = g.op('Mul', [mean, gain])
    return bias === undefined ? g.op('Sub', [scaled, shift]) : g.op('Add', [scaled, g.op('Sub', [bias, shift])])
  }
  const shift = g.op('Mul', [g.op('Neg', [mean]), gain])
  return g.op('Add', [scaled, bias === undefined ? shift : g.op('Add', [shift, bias])])
}

const affine = { scale: random.tensor([6]), bias: random.tensor([6]) }

describe('layer-normalization-moments', () => {
  it.each<[string, Spelling]>([
    ['TensorFlow: its scale in the gain', { form: 'TensorFlow', ...affine }],
    ['Keras: a mean that is turned first', { form: 'Keras', ...affine }],
    ['Flax: a difference of moments, held above 0', { variance: 'Max', ...affine }],
    ['JAX: a difference of moments', { variance: 'difference', inverse: 'Pow', ...affine }],
    ['a scale in the gain alone', { scale: affine.scale }],
    ['no scale and no bias', { form: 'TensorFlow', variance: 'Relu' }],
    ['a bias alone', { form: 'Keras', bias: affine.bias }],
  ])('recognises %s', async (_name, spelling) => {
    for (const variant of variants(9, 13, 17, 18, 20)) {
      const { ops } = await fused((g, x) => spell(g, x, spelling), variant)
      expect(ops).toEqual(['LayerNormalization'])
    }
  })

  it('leaves a scale that is no vector of the normalised axes outside', async () => {
    const { ops } = await fused((g, x) => spell(g, x, { ...affine, scale: random.tensor([3, 1]) }))
    expect(ops).toEqual(['LayerNormalization', 'Mul', 'Add'])
  })

  it('computes the same for every shape, spelling, scale and bias', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 2, max: 7 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(11, 17, 18),
        fc.record({
          variance: fc.constantFrom('distance' as const, 'difference' as const, 'Max' as const, 'Relu' as const),
          form: fc.constantFrom('TensorFlow' as const, 'Keras' as const, 'centred' as const),
          inverse: fc.constantFrom('Reciprocal' as const, 'Pow' as const),
          epsilon: fc.constantFrom(1e-2, 1e-3),
        }),
        fc.boolean(),
        fc.boolean(),
        async (shape, opset, spelling, hasScale, hasBias) => {
          const size = [shape.at(-1) ?? 1]
          const scale = hasScale ? random.tensor(size) : undefined
          const bias = hasBias ? random.tensor(size) : undefined
          // The difference of moments loses digits.
          const options = { opset, tolerance: spelling.variance === 'distance' ? 1e-5 : 1e-3 }
          const formula: Formula = (g, x) => spell(g, x, { ...spelling, scale, bias })
          const { ops } = await fuseFunction(only, shape)(formula, options)
          expect(ops).toEqual(['LayerNormalization'])
        },
      ),
      { numRuns: 40 },
    )
  })

  it('keeps digits which the difference of moments loses', async () => {
    const model = buildModel((g) => g.output('y', spell(g, g.input('x', 'float32', [2, 64]), { variance: 'Max' })))
    // The squares are near 10⁴, so that float32 holds their difference to about 10⁻³.
    await fuseAndCompare(model, { only, feeds: { x: random.tensor([2, 64], 'float32', [99, 101]) }, tolerance: 1e-2 })
  })

  it('computes the same in float16', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float16', [4, 8])
      const mean = spellMean(g, x, [-1])
      const centred = g.op('Sub', [x, mean])
      const number = (value: number) => g.constant(value, { type: 'float16' })
      const biased = g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), number(1e-3)])
      const gain = g.op('Mul', [g.op('Reciprocal', [g.op('Sqrt', [biased])]), random.tensor([8], 'float16')])
      g.output('y', g.op('Sub', [g.op('Mul', [x, gain]), g.op('Mul', [mean, gain])]))
    })
    const { ops } = await fuseAndCompare(model, { only, tolerance: 1e-2 })
    expect(ops).toEqual(['LayerNormalization'])
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['axis 1', /not the last/, (g, x) => spell(g, x, { ...affine, axes: [1] }), {}],
    [
      'another axis for the variance',
      /the mean is over axes 2, the variance over axes 1/,
      (g, x) => spell(g, x, { ...affine, varianceAxes: [1] }),
      {},
    ],
    ['an ε below 0', /not above 0/, (g, x) => spell(g, x, { form: 'TensorFlow', epsilon: -1e-7 }), {}],
    ['float64', /no kernel for float64/, inFloat64((g, x) => spell(g, x, { form: 'TensorFlow' })), {}],
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) => {
        const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
        const epsilon = Tensor.fromNumbers('float32', [1, 1, 1, 1], [1e-3])
        const biased = g.op('Add', [spellMean(g, g.op('Mul', [centred, centred]), [-1]), epsilon])
        return g.op('Mul', [centred, g.op('Mul', [g.op('Reciprocal', [g.op('Sqrt', [biased])]), random.tensor([6])])])
      },
      {},
    ],
    ['the standard before opset 17', /from opset 17 on/, (g, x) => spell(g, x, affine), { target: 'onnx', opset: 16 }],
    [
      'a mean that others use',
      /users/,
      (g, x) => {
        const y = spell(g, x, { form: 'TensorFlow', ...affine })
        const mean = [...g.graph.nodes][0]?.output
        return g.op('Mul', [y, mean])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves a last axis of open size, and no known rank, alone', async () => {
    const open = await fuseFunction(only, [2, 'n'])((g, x) => spell(g, x, { form: 'TensorFlow' }))
    expect(open.report.fusions).toEqual({})
    expect(open.reasons).toContainEqual(expect.stringMatching(/sizes n of the axes/))
    const unknown = await fuseGraph((g) => g.output('y', spell(g, g.input('x', 'float32'), { form: 'Keras' })), {
      only,
      feeds: { x: random.tensor([2, 4]) },
    })
    expect(unknown.report.fusions).toEqual({})
    expect(unknown.reasons).toContainEqual(expect.stringMatching(/the rank of .* is not known/))
  })

  it('is not fooled by a mean of something else', async () => {
    const { report } = await fused((g, x) => {
      const other = spellMean(g, g.op('Abs', [x]), [-1])
      const difference = g.op('Sub', [spellMean(g, g.op('Mul', [x, x]), [-1]), g.op('Mul', [other, other])])
      const gain = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [difference, 1])])])
      return g.op('Mul', [g.op('Sub', [x, other]), gain])
    })
    expect(report.fusions).toEqual({})
  })
})
