import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { choices, spellProduct, spellSum } from '../../../test/support/spell.ts'
import { type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const only = ['gelu']
const fused = fuseFunction(only, [2, 'n', 5])

const erf = (g: GraphBuilder, x: Value): Value => g.op('Erf', [g.op('Div', [x, Math.SQRT2])])

const spellings: Record<string, Formula> = {
  'PyTorch: x / √2, then times x, then times ½': (g, x) =>
    g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf(g, x), 1])]), 0.5]),
  'the dynamo exporter: ½ first, with Mul by 1/√2': (g, x) =>
    g.op('Mul', [g.op('Mul', [0.5, x]), g.op('Add', [g.op('Erf', [g.op('Mul', [x, Math.SQRT1_2])]), 1])]),
  'PaddlePaddle and TensorFlow: x times (½ times the sum)': (g, x) =>
    g.op('Mul', [x, g.op('Mul', [0.5, g.op('Add', [1, erf(g, x)])])]),
  'divided by 2 at the end': (g, x) => g.op('Div', [g.op('Mul', [g.op('Add', [erf(g, x), 1]), x]), 2]),
  'multiplied out': (g, x) => {
    const half = g.op('Mul', [x, 0.5])
    return g.op('Add', [half, g.op('Mul', [half, erf(g, x)])])
  },
}

describe('gelu', () => {
  it.each(Object.entries(spellings))('recognises %s', async (_name, build) => {
    for (const variant of variants(9, 13, 17, 19)) {
      const { model, ops } = await fused(build, variant)
      expect(ops).toEqual(['Gelu'])
      expect(model.opsets.get('com.microsoft')).toBe(1)
    }
    const { model, ops } = await fused(build, { opset: 20, target: 'onnx' })
    expect(ops).toEqual(['Gelu'])
    expect(model.opsets.has('com.microsoft')).toBe(false)
  })

  it('recognises whatever order and association it is written in', async () => {
    await fc.assert(
      fc.asyncProperty(choices(), async (choose) => {
        const { ops } = await fused((g, x) => {
          const inner = g.op('Erf', [spellProduct(g, choose, Math.SQRT1_2, [x])])
          return spellProduct(g, choose, 0.5, [x, spellSum(g, choose, 1, [inner])])
        })
        expect(ops).toEqual(['Gelu'])
      }),
      { numRuns: 40 },
    )
  })

  it('leaves numbers with dims alone where they may raise a rank that is not known', async () => {
    const build = (dims: number[]) => (g: GraphBuilder) => {
      const x = g.input('x', 'float32')
      const half = Tensor.fromNumbers('float32', dims, [0.5])
      g.output('y', g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf(g, x), 1])]), half]))
    }
    const options = { only, feeds: { x: Tensor.fromNumbers('float32', [3], [-1, 0.5, 2]) } }
    expect((await fuseGraph(build([]), options)).ops).toEqual(['Gelu'])
    const { report, reasons } = await fuseGraph(build([1, 1]), options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(/rank of "x" is not known, and a constant in it has rank 2/)])
  })

  it('recognises it in float16, whose constants are rounded', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float16', [2, 8])
        const half = (number: number): Tensor => Tensor.fromNumbers('float16', [], [number])
        const inner = g.op('Add', [g.op('Erf', [g.op('Div', [x, half(Math.SQRT2)])]), half(1)])
        g.output('y', g.op('Mul', [g.op('Mul', [x, inner]), half(0.5)]))
      },
      { only, tolerance: 2e-3 },
    )
    expect(ops).toEqual(['Gelu'])
  })

  it.each<[string, Formula]>([
    [
      'the tanh form',
      (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [g.op('Tanh', [g.op('Div', [x, Math.SQRT2])]), 1])]), 0.5]),
    ],
    ['another x outside', (g, x) => g.op('Mul', [g.op('Mul', [g.op('Neg', [x]), g.op('Add', [erf(g, x), 1])]), 0.5])],
    [
      '1.4 for √2',
      (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [g.op('Erf', [g.op('Div', [x, 1.4])]), 1])]), 0.5]),
    ],
    ['no ½', (g, x) => g.op('Mul', [x, g.op('Add', [erf(g, x), 1])])],
    ['2 for 1', (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf(g, x), 2])]), 0.5])],
    [
      'a constant for every channel',
      (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf(g, x), 1])]), [0.5, 0.5, 0.5, 0.5, 0.25]]),
    ],
  ])('is not fooled by %s', async (_name, build) => {
    const { report } = await fused(build)
    expect(report.fusions).toEqual({})
    expect(report.nearMisses).toEqual([])
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'another user of a value in between',
      /has 2 users/,
      (g, x) => {
        const inner = erf(g, x)
        return g.op('Add', [g.op('Mul', [g.op('Mul', [x, g.op('Add', [inner, 1])]), 0.5]), inner])
      },
      {},
    ],
    [
      'a graph output in between',
      /is an output of its graph/,
      (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [g.output('inner', erf(g, x)), 1])]), 0.5]),
      {},
    ],
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) =>
        g.op('Mul', [
          g.op('Mul', [x, g.op('Add', [erf(g, x), 1])]),
          Tensor.fromNumbers('float32', [1, 1, 1, 1], [0.5]),
        ]),
      {},
    ],
    [
      'the ONNX standard alone',
      /from opset 20 on/,
      (g, x) => g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf(g, x), 1])]), 0.5]),
      { target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, build, options) => {
    const { report, reasons } = await fused(build, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(reason)])
  })
})
