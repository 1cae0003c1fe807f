import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type Pairing, repeatedTable, spellRotation } from '../../../test/support/spell-rotary.ts'
import { type GraphBuilder, int64, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(31)
const fused = fuseFunction(['rotary-embedding'], ['n', 2, 5, 8])
const add = (g: GraphBuilder, a: Value, b: Value): Value => g.op('Add', [a, b])
const slice = (g: GraphBuilder, x: Value, start: number, end: number): Value =>
  g.op('Slice', [x, int64([start]), int64([end]), int64([-1]), int64([1])])

/** [a, b] → [−b, a]. */
const rotate = (g: GraphBuilder, x: Value, half = 4): Value =>
  g.op('Concat', [g.op('Neg', [slice(g, x, half, 2 ** 31)]), slice(g, x, 0, half)], { axis: -1 })

const table = (rows: number, width: number, pairing: Pairing = 'halves'): Tensor =>
  repeatedTable(random, rows, width, pairing)

const rotary = (g: GraphBuilder, x: Value, cos: Value | Tensor, sin: Value | Tensor, half = 4): Value =>
  add(g, g.op('Mul', [x, cos]), g.op('Mul', [rotate(g, x, half), sin]))

/** cos and sin of positions times frequencies, as LLaMA computes them. */
function computed(g: GraphBuilder, x: Value): [Value, Value] {
  const length = g.op('Squeeze', [g.op('Slice', [g.op('Shape', [x]), int64([2]), int64([3])]), int64([0])])
  const positions = g.op('Cast', [g.op('Range', [int64(0), length, int64(1)])], { to: 1 })
  const angles = g.op('Mul', [g.op('Unsqueeze', [positions, int64([0, 2])]), random.tensor([4])])
  const both = g.op('Concat', [angles, angles], { axis: -1 })
  const [cos, sin] = ['Cos', 'Sin'].map((op) => g.op('Unsqueeze', [g.op('Mul', [g.op(op, [both]), 1.5]), int64([1])]))
  return [cos as Value, sin as Value]
}

describe('rotary-embedding', () => {
  it.each<[string, Formula]>([
    ['constant cosines', (g, x) => rotary(g, x, table(5, 8), table(5, 8))],
    ['cosines on the left', (g, x) => add(g, g.op('Mul', [table(5, 8), rotate(g, x)]), g.op('Mul', [table(5, 8), x]))],
    [
      'halves by Split',
      (g, x) => {
        const [first, second] = g.node('Split', [x, int64([4, 4])], { axis: 3 }, { outputs: 2 }).outputs
        const rotated = g.op('Concat', [g.op('Mul', [second, -1]), first], { axis: 3 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) expect((await fused(formula, variant)).ops).toEqual(['RotaryEmbedding'])
  })

  it('recognises cosines that are computed for the positions there are', async () => {
    const { ops } = await fuseFunction(['rotary-embedding', 'dead-node'], ['n', 2, 's', 8])(
      (g, x) => rotary(g, x, ...computed(g, x)),
      { dimensions: { s: 3 } },
    )
    expect(ops.at(-1)).toBe('RotaryEmbedding')
    expect(ops.filter((op) => op === 'Concat')).toEqual([])
  })

  it.each<[string, Formula]>([
    [
      'GPT-J: neighbours by Slice',
      (g, x) => spellRotation(g, x, 8, [table(5, 8, 'neighbours'), table(5, 8, 'neighbours')], 'neighbours'),
    ],
    [
      'neighbours by Split',
      (g, x) => spellRotation(g, x, 8, [table(5, 8, 'neighbours'), table(5, 8, 'neighbours')], 'neighbours', 'Split'),
    ],
    [
      'neighbours by Gather',
      (g, x) => spellRotation(g, x, 8, [table(5, 8, 'neighbours'), table(5, 8, 'neighbours')], 'neighbours', 'Gather'),
    ],
    [
      'cosines stacked with themselves',
      (g, x) => {
        const twice = (): Value => {
          const rows = g.op('Unsqueeze', [random.tensor([5, 4]), int64([2])])
          return g.op('Reshape', [g.op('Concat', [rows, rows], { axis: -1 }), int64([5, 8])])
        }
        return spellRotation(g, x, 8, [twice(), twice()], 'neighbours')
      },
    ],
    [
      'cosines expanded, as repeat_interleave is exported',
      (g, x) => {
        const twice = (): Value => {
          const rows = g.op('Unsqueeze', [random.tensor([5, 4]), int64([2])])
          return g.op('Reshape', [g.op('Expand', [rows, int64([5, 4, 2])]), int64([5, 8])])
        }
        return spellRotation(g, x, 8, [twice(), twice()], 'neighbours')
      },
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops, model } = await fuseFunction(['rotary-embedding', 'dead-node'], ['n', 2, 5, 8])(formula, variant)
      expect(ops.filter((op) => op !== 'Unsqueeze' && op !== 'Reshape')).toEqual(['RotaryEmbedding'])
      expect([...model.graph.nodes].at(-1)?.int('interleaved', 0)).toBe(1)
    }
  })

  it('recognises rows that are picked from a table', async () => {
    for (const pairing of ['halves', 'neighbours'] as const) {
      const { ops } = await fuseFunction(['rotary-embedding', 'dead-node'], ['n', 2, 's', 8])(
        (g, x) => {
          const positions = g.input('positions', 'int64', ['s'])
          const cut = (): Value => g.op('Slice', [table(16, 8, pairing), int64([2]), int64([9]), int64([0])])
          const rows = (): Value => g.op('Gather', [cut(), positions], { axis: 0 })
          return spellRotation(g, x, 8, [rows(), rows()], pairing)
        },
        { feeds: { x: random.tensor([1, 2, 5, 8]), positions: int64([0, 6, 2, -1, 3]) } },
      )
      expect(ops.at(-1)).toBe('RotaryEmbedding')
    }
  })

  it('recognises cosines gathered for the positions of each batch', async () => {
    for (const shape of [
      ['n', 's', 16],
      [3, 's', 16],
      [3, 4, 16],
      ['n', 1, 16],
    ]) {
      const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : { n: 2, s: 4 }[dim]) ?? 0)
      const count = (sizes[0] ?? 0) * (sizes[1] ?? 0)
      const { ops, model } = await fuseGraph(
        (g) => {
          const x = g.input('x', 'float32', shape)
          const positions = g.input('positions', 'int64', shape.slice(0, 2))
          const heads = g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, 2, 8])])], { perm: [0, 2, 1, 3] })
          const rows = (): Value =>
            g.op('Unsqueeze', [g.op('Gather', [table(7, 8), positions], { axis: 0 }), int64([1])])
          g.output('y', rotary(g, heads, rows(), rows()))
        },
        {
          only: ['rotary-embedding', 'dead-node'],
          feeds: {
            x: random.tensor(sizes),
            // Positions from the end are none of RotaryEmbedding's own.
            positions: int64(Array.from({ length: count }, (_, index) => ((index * 5) % 14) - 7)).reshape(
              sizes.slice(0, 2),
            ),
          },
        },
      )
      expect(ops.filter((op) => op === 'RotaryEmbedding').length).toBe(1)
      expect([...model.graph.nodes].filter(({ op }) => op === 'Mul' || op === 'Add')).toEqual([])
    }
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const half = (): Value => g.op('Cast', [table(5, 8, 'neighbours')], { to: 10 })
        const x = g.input('x', 'float16', [2, 3, 5, 8])
        g.output('y', spellRotation(g, x, 8, [half(), half()], 'neighbours'))
      },
      { only: ['rotary-embedding', 'dead-node'], tolerance: 5e-3 },
    )
    expect(ops).toContain('RotaryEmbedding')
  })

  it('rotates before the heads are split', async () => {
    const { ops } = await fuseFunction(
      ['rotary-embedding'],
      ['n', 5, 16],
    )((g, x) => {
      const heads = g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, 2, 8])])], { perm: [0, 2, 1, 3] })
      return rotary(g, heads, table(5, 8), table(5, 8))
    })
    expect(ops).toEqual(['RotaryEmbedding', 'Reshape', 'Transpose'])
  })

  it('computes the same for every size, layout and pairing', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ batch: size, heads: size, sequence: size, half: size }),
        fc.constantFrom('heads' as const, 'positions' as const, 'merged' as const, 'one head' as const),
        fc.constantFrom<Pairing>('halves', 'neighbours'),
        fc.boolean(),
        async ({ batch, heads, sequence, half }, layout, pairing, own) => {
          const width = half * 2
          const shapes = {
            heads: [batch, heads, sequence, width],
            positions: [batch, sequence, heads, width],
            merged: [batch, sequence, heads * width],
            'one head': [batch, sequence, width],
          }
          // Cosines of each batch of its own cannot be taken where heads come first.
          const each = own && layout !== 'heads' ? batch : 1
          const { ops } = await fuseFunction(
            ['rotary-embedding'],
            shapes[layout],
          )((g, x) => {
            const value =
              layout === 'merged'
                ? g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, heads, width])])], { perm: [0, 2, 1, 3] })
                : x
            const dims = layout === 'positions' ? [each, sequence, 1, width] : [each, 1, sequence, width]
            const rows = (): Tensor =>
              table(each * sequence, width, pairing).reshape(layout === 'one head' ? dims.toSpliced(1, 1) : dims)
            return spellRotation(g, value, width, [rows(), rows()], pairing)
          })
          expect(ops).toContain('RotaryEmbedding')
        },
      ),
      { numRuns: 60 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['halves that differ', /not seen that both parts/, (g, x) => rotary(g, x, random.tensor([5, 8]), table(5, 8)), {}],
    [
      'another rotation',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [g.op('Neg', [slice(g, x, 0, 4)]), slice(g, x, 4, 8)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'a rotation without a sign',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [slice(g, x, 4, 8), slice(g, x, 0, 4)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'the rotation of something else',
      /does not rotate/,
      (g, x) => add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotate(g, g.op('Neg', [x])), table(5, 8)])),
      {},
    ],
    [
      'uneven halves',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [g.op('Neg', [slice(g, x, 3, 8)]), slice(g, x, 0, 3)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = (one: Value | Tensor): Value => g.op('Cast', [one], { to: 11 })
        return g.op('Cast', [rotary(g, wide(x), wide(table(5, 8)), wide(table(5, 8)))], { to: 1 })
      },
      {},
    ],
    ['one row for all positions', /not one row for each/, (g, x) => rotary(g, x, table(1, 8), table(1, 8)), {}],
    [
      'cosines for every head',
      /not one row for each/,
      (g, x) => rotary(g, x, table(10, 8).reshape([2, 5, 8]), table(10, 8).reshape([2, 5, 8])),
      {},
    ],
    [
      'a rotation of halves with cosines for neighbours',
      /not seen that both parts/,
      (g, x) => rotary(g, x, table(5, 8, 'neighbours'), table(5, 8, 'neighbours')),
      {},
    ],
    [
      'cosines of each batch where heads come first',
      /heads come before its positions/,
      (g, x) => {
        const rows = (): Value =>
          g.op('Unsqueeze', [g.op('Gather', [table(7, 8), g.input('p', 'int64', ['n', 5])]), int64([1])])
        const one = rows()
        return rotary(g, x, one, one)
      },
      { feeds: { x: random.tensor([2, 2, 5, 8]), p: int64([0, 1, 2, 3, 4, 6, 5, 4, 3, 2]).reshape([2, 5]) } },
    ],
    [
      'a rotation with another user',
      /has 2 users/,
      (g, x) => {
        const rotated = rotate(g, x)
        return add(g, add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)])), rotated)
      },
      {},
    ],
    [
      'the ONNX standard',
      /not in the ONNX standard/,
      (g, x) => rotary(g, x, table(5, 8), table(5, 8)),
      { target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
