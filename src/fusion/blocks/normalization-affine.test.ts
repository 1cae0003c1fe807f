import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(9)
const fused = fuseFunction(['normalization-affine'], [2, 3, 4, 5])
const layer = (g: GraphBuilder, x: Value): Value =>
  g.op('LayerNormalization', [x, random.tensor([5]), random.tensor([5])])
const rms = (g: GraphBuilder, x: Value): Value => g.op('SimplifiedLayerNormalization', [x, random.tensor([5])])
const instance = (g: GraphBuilder, x: Value): Value =>
  g.op('InstanceNormalization', [x, random.tensor([3]), random.tensor([3])])

describe('normalization-affine', () => {
  it.each<[string, Formula, string[]]>([
    [
      'scale and bias of a layer normalisation',
      (g, x) => g.op('Add', [g.op('Mul', [layer(g, x), random.tensor([5])]), random.tensor([1, 5])]),
      ['LayerNormalization'],
    ],
    [
      'a bias where there was none',
      (g, x) => g.op('Sub', [g.op('LayerNormalization', [x, random.tensor([5])]), random.tensor([5])]),
      ['LayerNormalization'],
    ],
    [
      'a divisor and a number',
      (g, x) => g.op('Add', [2, g.op('Div', [layer(g, x), random.tensor([1], 'float32', [1, 2])])]),
      ['LayerNormalization'],
    ],
    [
      'a scale of an RMS normalisation',
      (g, x) => g.op('Mul', [random.tensor([5]), rms(g, x)]),
      ['SimplifiedLayerNormalization'],
    ],
    [
      'channels of an instance normalisation',
      (g, x) => g.op('Add', [g.op('Mul', [instance(g, x), random.tensor([3, 1, 1])]), random.tensor([1, 3, 1, 1])]),
      ['InstanceNormalization'],
    ],
    [
      'a constant after a Transpose',
      (g, x) => g.op('Mul', [g.op('Transpose', [layer(g, x)], { perm: [3, 0, 2, 1] }), random.tensor([5, 1, 1, 1])]),
      ['LayerNormalization', 'Transpose'],
    ],
    [
      'a constant after a Transpose that turns the axes around',
      (g, x) => g.op('Mul', [g.op('Transpose', [layer(g, x)]), random.tensor([5, 1, 1, 1])]),
      ['LayerNormalization', 'Transpose'],
    ],
    [
      'a scale that all of several axes share',
      (g, x) =>
        g.op('Add', [
          g.op('LayerNormalization', [x, random.tensor([5]), random.tensor([5])], { axis: 2 }),
          random.tensor([5]),
        ]),
      ['LayerNormalization'],
    ],
    [
      'a constant behind the sum of a residual',
      (g, x) => {
        const rows = g.op('Reshape', [x, int64([6, 4, 5])])
        g.graph.model.importOpset('com.microsoft', 1)
        const inputs = [rows, random.tensor([6, 4, 5]), random.tensor([5]), random.tensor([5])]
        const names = ['normal', undefined, undefined, 'total']
        const skip = g.node('SkipLayerNormalization', inputs, {}, { domain: 'com.microsoft', outputs: names })
        return g.op('Concat', [g.op('Mul', [skip.outputs[0], random.tensor([5])]), skip.outputs[3]], { axis: 0 })
      },
      ['Reshape', 'SkipLayerNormalization', 'Concat'],
    ],
    [
      'several axes',
      (g, x) =>
        g.op('Mul', [g.op('LayerNormalization', [x, random.tensor([4, 5])], { axis: 2 }), random.tensor([4, 1])]),
      ['LayerNormalization'],
    ],
    [
      'several axes after a Transpose',
      (g, x) =>
        g.op('Mul', [
          g.op('Transpose', [g.op('LayerNormalization', [x, random.tensor([4, 5])], { axis: 2 })], {
            perm: [0, 1, 3, 2],
          }),
          random.tensor([5, 4]),
        ]),
      ['LayerNormalization', 'Transpose'],
    ],
  ])('absorbs %s', async (_name, formula, ops) => {
    for (const variant of variants(17, 20)) expect((await fused(formula, variant)).ops).toEqual(ops)
  })

  it('absorbs every constant that varies along the normalised axes only, and no other', async () => {
    const dims = fc.array(fc.tuple(fc.constantFrom(2, 3, 4, 5), fc.boolean()), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(dims, fc.constantFrom('Mul', 'Add', 'Sub', 'Div'), async (choices, op) => {
        const shape = [2, 3, 4, 5]
        const constant = choices.map(([, full], index) => (full ? (shape[4 - choices.length + index] ?? 1) : 1))
        const { ops } = await fused((g, x) => g.op(op, [layer(g, x), random.tensor(constant, 'float32', [0.5, 2])]))
        expect(ops.length).toBe(constant.slice(0, -1).every((dim) => dim === 1) ? 1 : 2)
      }),
      { numRuns: 40 },
    )
  })

  it('finds the axes of a constant behind every Transpose', async () => {
    // Axes of one size: a constant on the wrong one would fit.
    const perms = fc.option(fc.shuffledSubarray([0, 1, 2], { minLength: 3, maxLength: 3 }), { nil: undefined })
    const constants = fc.constantFrom([4], [4, 1], [4, 1, 1], [1, 4, 1], [4, 4], [4, 1, 4], [1])
    let absorbed = 0
    await fc.assert(
      fc.asyncProperty(perms, constants, fc.constantFrom(1, 2), fc.constantFrom('Mul', 'Add'), async (...drawn) => {
        const [perm, dims, axis, op] = drawn
        const scales = (): Tensor => random.tensor([4, 4, 4].slice(axis))
        const { report } = await fuseFunction(
          ['normalization-affine'],
          [4, 4, 4],
        )((g, x) => {
          const normal = g.op('LayerNormalization', [x, scales(), scales()], { axis })
          return g.op(op, [g.op('Transpose', [normal], perm === undefined ? {} : { perm }), random.tensor(dims)])
        })
        absorbed += report.fusions['normalization-affine'] ?? 0
      }),
      { numRuns: 50 },
    )
    expect(absorbed).toBeGreaterThan(0)
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'a constant along another axis after a Transpose that turns the axes around',
      /varies along axis 0/,
      (g, x) => {
        const square = g.op('Expand', [g.op('ReduceMax', [x], { axes: [0, 1, 2] }), int64([5, 3, 4, 5])])
        return g.op('Mul', [g.op('Transpose', [layer(g, square)]), random.tensor([5])])
      },
      {},
    ],
    [
      'a scale and a bias of different shapes',
      /differ in shape/,
      (g, x) => g.op('Mul', [g.op('LayerNormalization', [x, random.tensor([1]), random.tensor([5])]), 2]),
      {},
    ],
    [
      'a scale for several axes with a bias for one',
      /differ in shape/,
      (g, x) =>
        g.op('Mul', [g.op('LayerNormalization', [x, random.tensor([4, 5]), random.tensor([5])], { axis: 2 }), 2]),
      {},
    ],
    [
      'a constant along another axis',
      /varies along axis 2/,
      (g, x) => g.op('Mul', [layer(g, x), random.tensor([4, 1])]),
      {},
    ],
    [
      'a constant that raises the rank',
      /raises the rank/,
      (g, x) => g.op('Mul', [layer(g, x), random.tensor([1, 1, 1, 1, 5])]),
      {},
    ],
    [
      'a bias of an RMS normalisation',
      /SimplifiedLayerNormalization has no bias/,
      (g, x) => g.op('Add', [rms(g, x), random.tensor([5])]),
      {},
    ],
    [
      'a scale that is computed',
      /is computed/,
      (g, x) =>
        g.op('Mul', [
          g.op('LayerNormalization', [x, g.op('Neg', [g.op('Cast', [g.constant(random.tensor([5]))], { to: 1 })])]),
          random.tensor([5]),
        ]),
      {},
    ],
    [
      'a normalisation with another user',
      /has 2 users/,
      (g, x) => {
        const normal = layer(g, x)
        return g.op('Add', [g.op('Mul', [normal, random.tensor([5])]), normal])
      },
      {},
    ],
    [
      'a normalisation that is an output',
      /is an output/,
      (g, x) => g.op('Mul', [g.output('normal', layer(g, x)), random.tensor([5])]),
      {},
    ],
    ['a constant divided by it', /not linear/, (g, x) => g.op('Div', [random.tensor([5]), layer(g, x)]), {}],
    [
      'the data multiplied by it',
      /computed, not a constant|graph input, not a constant/,
      (g, x) => g.op('Mul', [layer(g, x), x]),
      {},
    ],
    [
      'numbers that overflow float16',
      /do not fit float16/,
      (g, x) => {
        const big = Tensor.fromNumbers('float16', [5], [60000, 1, 1, 1, 1])
        const normal = g.op('LayerNormalization', [g.op('Cast', [x], { to: 10 }), big])
        return g.op('Cast', [g.op('Mul', [normal, Tensor.fromNumbers('float16', [], [2])])], { to: 1 })
      },
      { tolerance: 1e-2 },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves what has no known rank alone', async () => {
    const { report, reasons } = await fuseGraph(
      (g) => g.output('y', g.op('Mul', [layer(g, g.input('x', 'float32')), random.tensor([5])])),
      { only: ['normalization-affine'], feeds: { x: random.tensor([3, 5]) } },
    )
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(/rank of .* is not known/)])
  })

  it('leaves a constant that stretches the data alone', async () => {
    const { reasons, report } = await fuseFunction(
      ['normalization-affine'],
      [2, 1],
    )((g, x) => g.op('Mul', [g.op('LayerNormalization', [x, random.tensor([1])]), random.tensor([4])]))
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(/stretches/))
  })
})
