import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type Pairing, spellJoin, spellParted, spellParts } from '../../../test/support/spell-rotary.ts'
import { type GraphBuilder, int64, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(41)
const only = ['rotary-embedding-parts', 'dead-node']
const fused = fuseFunction(only, ['n', 2, 5, 8])
const tables = (...dims: number[]): [Tensor, Tensor] => [random.tensor(dims), random.tensor(dims)]
/** As values, for formulas that use each of them twice. */
const shared = (g: GraphBuilder, ...dims: number[]): [Value, Value] => {
  const [cos, sin] = tables(...dims)
  return [g.constant(cos), g.constant(sin)]
}
const bySlices: Formula = (g, x) => spellParted(g, x, 8, tables(5, 4), 'halves')

describe('rotary-embedding-parts', () => {
  it.each<[string, Formula, string[]]>([
    ['halves by Slice', bySlices, []],
    ['halves by Split', (g, x) => spellParted(g, x, 8, tables(1, 1, 5, 4), 'halves', 'Split'), []],
    ['halves of a view', (g, x) => spellParted(g, x, 8, tables(5, 4), 'halves', 'Gather'), ['Reshape']],
    // What is left are the views that took it apart and put it together: reshape-chain's.
    ['neighbours by Slice', (g, x) => spellParted(g, x, 8, tables(5, 4), 'neighbours'), ['Reshape']],
    ['neighbours by Split', (g, x) => spellParted(g, x, 8, tables(5, 4), 'neighbours', 'Split'), ['Reshape']],
    ['neighbours by Gather', (g, x) => spellParted(g, x, 8, tables(5, 4), 'neighbours', 'Gather'), ['Reshape']],
  ])('recognises %s', async (_name, formula, views) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops, model } = await fused(formula, variant)
      expect(ops.filter((op) => op !== 'Reshape')).toEqual(['RotaryEmbedding'])
      if (views.length === 0) expect(ops).toEqual(['RotaryEmbedding'])
      const node = [...model.graph.nodes].find(({ op }) => op === 'RotaryEmbedding')
      expect(node?.int('interleaved', 0)).toBe(_name.startsWith('neighbours') ? 1 : 0)
    }
  })

  it('leaves one node of neighbours once the views are tidied up', async () => {
    const all = fuseFunction([...only, 'reshape-chain', 'no-op-view'], ['n', 2, 5, 8])
    for (const by of ['Slice', 'Split', 'Gather'] as const) {
      const { ops } = await all((g, x) => spellParted(g, x, 8, tables(5, 4), 'neighbours', by))
      expect(ops).toEqual(['RotaryEmbedding'])
    }
  })

  it('recognises heads behind positions, and one head', async () => {
    const late = await fuseFunction(only, ['n', 5, 2, 8])((g, x) => spellParted(g, x, 8, tables(5, 1, 4), 'halves'))
    expect(late.ops).toEqual(['Reshape', 'RotaryEmbedding', 'Reshape'])
    const one = await fuseFunction(only, ['n', 5, 8])((g, x) => spellParted(g, x, 8, tables(5, 4), 'halves'))
    expect(one.ops).toEqual(['RotaryEmbedding'])
  })

  it('recognises the turning of a part of the heads', async () => {
    const { ops } = await fused((g, x) => {
      const [a, b] = [0, 2].map((start) => g.op('Slice', [x, int64([start]), int64([start + 2]), int64([3])]))
      const [cos, sin] = shared(g, 5, 2)
      const times = (part: Value | undefined, factor: Value): Value => g.op('Mul', [part, factor])
      const real = g.op('Sub', [times(a, cos), times(b, sin)])
      return g.op('Concat', [real, g.op('Add', [times(b, cos), times(a, sin)])], { axis: -1 })
    })
    expect(ops).toEqual(['Slice', 'RotaryEmbedding'])
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const half = (dims: number[]): Tensor => random.tensor(dims, 'float16')
        g.output(
          'y',
          spellParted(g, g.input('x', 'float16', [2, 3, 5, 8]), 8, [half([5, 4]), half([5, 4])], 'neighbours'),
        )
      },
      { only, tolerance: 5e-3 },
    )
    expect(ops).toContain('RotaryEmbedding')
  })

  it('computes the same for every size, layout and spelling', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ batch: size, heads: size, sequence: size, half: size }),
        fc.record({
          pairing: fc.constantFrom<Pairing>('halves', 'neighbours'),
          by: fc.constantFrom('Slice' as const, 'Split' as const, 'Gather' as const),
          late: fc.boolean(),
          open: fc.boolean(),
        }),
        async ({ batch, heads, sequence, half }, { pairing, by, late, open }) => {
          const first = open ? 'n' : batch
          const shape = late ? [first, sequence, heads, half * 2] : [first, heads, sequence, half * 2]
          const dims = late ? [sequence, 1, half] : [sequence, half]
          const { ops } = await fuseFunction(only, shape)(
            (g, x) => spellParted(g, x, half * 2, tables(...dims), pairing, by),
            { dimensions: { n: batch } },
          )
          expect(ops).toContain('RotaryEmbedding')
        },
      ),
      { numRuns: 40 },
    )
  })

  const joinedAs =
    (make: (g: GraphBuilder, parts: [Value, Value]) => [Value, Value]): Formula =>
    (g, x) => {
      const [a, b] = make(g, spellParts(g, x, 8, 'halves'))
      const [cos, sin] = shared(g, 5, 4)
      const times = (part: Value, factor: Value): Value => g.op('Mul', [part, factor])
      const turned = [g.op('Sub', [times(a, cos), times(b, sin)]), g.op('Add', [times(a, sin), times(b, cos)])]
      return spellJoin(g, turned, 8, 'halves')
    }

  it.each<[string, RegExp, Formula, Options]>([
    ['parts in another order', /does not join what it rotates/, joinedAs((_g, [a, b]) => [b, a]), {}],
    ['parts of two values', /does not join what it rotates/, joinedAs((g, [a, b]) => [a, g.op('Relu', [b])]), {}],
    [
      'halves joined as neighbours',
      /does not join what it rotates/,
      (g, x) => {
        const [a, b] = spellParts(g, x, 8, 'halves')
        const [cos, sin] = shared(g, 5, 4)
        const times = (part: Value, factor: Value): Value => g.op('Mul', [part, factor])
        const turned = [g.op('Sub', [times(a, cos), times(b, sin)]), g.op('Add', [times(a, sin), times(b, cos)])]
        return spellJoin(g, turned, 8, 'neighbours')
      },
      {},
    ],
    [
      'cosines for every head',
      /not one row for each position/,
      (g, x) => spellParted(g, x, 8, tables(2, 5, 4), 'halves'),
      {},
    ],
    ['one row for all positions', /not one row for each/, (g, x) => spellParted(g, x, 8, tables(1, 4), 'halves'), {}],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = (one: Value | Tensor): Value => g.op('Cast', [one], { to: 11 })
        const [cos, sin] = shared(g, 5, 4)
        return g.op('Cast', [spellParted(g, wide(x), 8, [wide(cos), wide(sin)], 'halves')], { to: 1 })
      },
      {},
    ],
    [
      'a product with another user',
      /users|is an output/,
      (g, x) => {
        const [a, b] = spellParts(g, x, 8, 'halves')
        const [cos, sin] = shared(g, 5, 4)
        const real = g.op('Sub', [g.op('Mul', [a, cos]), g.op('Mul', [b, sin])])
        g.output('seen', real)
        return spellJoin(g, [real, g.op('Add', [g.op('Mul', [a, sin]), g.op('Mul', [b, cos])])], 8, 'halves')
      },
      {},
    ],
    ['the ONNX standard', /not in the ONNX standard/, bySlices, { target: 'onnx' }],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).not.toHaveProperty('rotary-embedding-parts')
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves rank 5, and an open head size, alone', async () => {
    const five = await fuseFunction(only, ['n', 2, 2, 5, 8])((g, x) => spellParted(g, x, 8, tables(5, 4), 'halves'))
    expect(five.reasons).toContainEqual(expect.stringMatching(/it has rank 5, not 3 or 4/))
    const open = await fuseFunction(only, ['n', 'h', 5, 8])((g, x) => spellParted(g, x, 8, tables(5, 4), 'halves'))
    expect(open.reasons).toContainEqual(expect.stringMatching(/not numbers/))
  })
})
