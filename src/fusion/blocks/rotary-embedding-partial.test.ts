import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  lastSlice,
  type Pairing,
  repeatedTable,
  spellParted,
  spellRotation,
} from '../../../test/support/spell-rotary.ts'
import { type GraphBuilder, int64, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(51)
const rotations = ['rotary-embedding', 'rotary-embedding-parts', 'dead-node']
const only = [...rotations, 'rotary-embedding-partial', 'slice-chain']
const fused = fuseFunction(only, ['n', 2, 5, 8])
const rotated = (g: GraphBuilder, x: Value, width: number, pairing: Pairing = 'halves', dims = [5, width]): Value => {
  const rows = (): Tensor => repeatedTable(random, 5, width, pairing).reshape(dims)
  return spellRotation(g, x, width, [rows(), rows()], pairing)
}
const joined = (g: GraphBuilder, ...parts: Value[]): Value => g.op('Concat', parts, { axis: -1 })

describe('rotary-embedding-partial', () => {
  it.each<[string, Formula]>([
    [
      'GPT-NeoX: halves of the first quarter',
      (g, x) => joined(g, rotated(g, lastSlice(g, x, 0, 2), 2), lastSlice(g, x, 2, 8)),
    ],
    [
      'neighbours',
      (g, x) => joined(g, rotated(g, lastSlice(g, x, 0, 4), 4, 'neighbours'), lastSlice(g, x, 4, 2 ** 31)),
    ],
    [
      'a Split',
      (g, x) => {
        const [first, rest] = g.node('Split', [x, int64([6, 2])], { axis: 3 }, { outputs: 2 }).outputs
        return joined(g, rotated(g, first as Value, 6), rest as Value)
      },
    ],
    [
      'parts',
      (g, x) => {
        const half = [random.tensor([5, 2]), random.tensor([5, 2])] as const
        return joined(g, spellParted(g, lastSlice(g, x, 0, 4), 4, half, 'halves'), lastSlice(g, x, 4, 8))
      },
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops, model } = await fused(formula, variant)
      expect(ops).toEqual(['RotaryEmbedding'])
      expect([...model.graph.nodes].at(-1)?.int('rotary_embedding_dim', 0)).toBeGreaterThan(0)
    }
  })

  it('recognises heads behind positions, as GPT-J has them', async () => {
    const { ops } = await fuseFunction(
      [...only, 'reshape-chain', 'no-op-view'],
      ['n', 5, 16],
    )((g, x) => {
      const heads = g.op('Reshape', [x, int64([0, 0, 2, 8])])
      const first = rotated(g, lastSlice(g, heads, 0, 4), 4, 'neighbours', [1, 5, 1, 4])
      return g.op('Transpose', [joined(g, first, lastSlice(g, heads, 4, 8))], { perm: [0, 2, 1, 3] })
    })
    expect(ops).toEqual(['RotaryEmbedding', 'Reshape', 'Transpose'])
  })

  it('recognises cosines of each batch', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['n', 's', 2, 8])
        const positions = g.input('p', 'int64', ['n', 's'])
        const row = (): Value =>
          g.op('Unsqueeze', [g.op('Gather', [repeatedTable(random, 9, 4), positions]), int64([2])])
        const first = spellRotation(g, lastSlice(g, x, 0, 4), 4, [row(), row()], 'halves')
        g.output('y', joined(g, first, lastSlice(g, x, 4, 8)))
      },
      { only, feeds: { x: random.tensor([2, 3, 2, 8]), p: int64([4, 5, 6, 0, 1, -1]).reshape([2, 3]) } },
    )
    expect(ops).not.toContain('Slice')
    expect(ops).not.toContain('Add')
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float16', [2, 3, 5, 8])
        const half = [random.tensor([5, 2], 'float16'), random.tensor([5, 2], 'float16')] as const
        g.output('y', joined(g, spellParted(g, lastSlice(g, x, 0, 4), 4, half, 'neighbours'), lastSlice(g, x, 4, 8)))
      },
      { only, tolerance: 5e-3 },
    )
    expect(ops).toEqual(['RotaryEmbedding'])
  })

  it('computes the same for every size and layout', async () => {
    const size = fc.integer({ min: 1, max: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ batch: size, heads: size, sequence: size, half: size, rest: size }),
        fc.constantFrom<Pairing>('halves', 'neighbours'),
        fc.constantFrom('heads' as const, 'positions' as const, 'one head' as const),
        async ({ batch, heads, sequence, half, rest }, pairing, layout) => {
          const [turning, width] = [half * 2, half * 2 + rest]
          const shapes = {
            heads: [batch, heads, sequence, width],
            positions: [batch, sequence, heads, width],
            'one head': [batch, sequence, width],
          }
          const { ops, reasons } = await fuseFunction(
            only,
            shapes[layout],
          )((g, x) => {
            const dims = layout === 'positions' ? [sequence, 1, turning] : [sequence, turning]
            const rows = (): Tensor => repeatedTable(random, sequence, turning, pairing).reshape(dims)
            const first = spellRotation(
              g,
              lastSlice(g, x, 0, turning),
              turning,
              [rows(), rows()],
              pairing,
              'Slice',
              shapes[layout].length,
            )
            return joined(g, first, lastSlice(g, x, turning, width))
          })
          expect(reasons).toEqual([])
          expect(ops.filter((op) => op !== 'Reshape')).toEqual(['RotaryEmbedding'])
        },
      ),
      { numRuns: 40 },
    )
  })

  const own =
    (attributes: Record<string, number>, position = 0): Formula =>
    (g, x) => {
      const inputs = [lastSlice(g, x, 0, 4), int64([position]), random.tensor([8, 2]), random.tensor([8, 2])]
      g.graph.model.importOpset('com.microsoft', 1)
      const first = g.op('RotaryEmbedding', inputs, { num_heads: 2, ...attributes }, { domain: 'com.microsoft' })
      return joined(g, first, lastSlice(g, x, 4, 8))
    }

  it.each<[string, RegExp, Formula, Options]>([
    [
      'the rest of something else',
      /does not join what is rotated/,
      (g, x) => joined(g, rotated(g, lastSlice(g, x, 0, 4), 4), lastSlice(g, g.op('Relu', [x]), 4, 8)),
      {},
    ],
    [
      'a rest that does not adjoin',
      /does not join what is rotated/,
      (g, x) => joined(g, rotated(g, lastSlice(g, x, 0, 4), 4), lastSlice(g, x, 5, 8)),
      {},
    ],
    [
      'another axis',
      /does not join what is rotated/,
      (g, x) => g.op('Concat', [rotated(g, lastSlice(g, x, 0, 4), 4), lastSlice(g, x, 4, 8)], { axis: 2 }),
      {},
    ],
    [
      'a rotation with another user',
      /has 2 users|is an output/,
      (g, x) => joined(g, g.output('seen', rotated(g, lastSlice(g, x, 0, 4), 4)), lastSlice(g, x, 4, 8)),
      {},
    ],
    [
      'the first of several heads',
      /not one part of each head/,
      (g, x) => {
        const flat = g.op('Reshape', [x, int64([0, 10, 8])])
        g.graph.model.importOpset('com.microsoft', 1)
        const inputs = [lastSlice(g, flat, 0, 4), int64([0]), random.tensor([10, 1]), random.tensor([10, 1])]
        const first = g.op('RotaryEmbedding', inputs, { num_heads: 2 }, { domain: 'com.microsoft' })
        return joined(g, first, lastSlice(g, flat, 4, 8))
      },
      {},
    ],
    ['positions that do not start from 0', /not counted from 0/, own({}, 2), {}],
    ['a rotation that is in part already', /in part already/, own({ rotary_embedding_dim: 4 }), {}],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).not.toHaveProperty('rotary-embedding-partial')
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
