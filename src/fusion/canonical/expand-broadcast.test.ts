import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['expand-broadcast', 'dead-node']
const dimensions = { batch: 2, sequence: 5 }

const fused = (
  [a, b]: readonly [readonly (number | string)[], readonly (number | string)[]],
  build: (g: GraphBuilder, a: Value, b: Value) => Value,
  opset = 17,
) =>
  fuseGraph((g) => g.output('y', build(g, g.input('a', 'float32', a), g.input('b', 'float32', b))), {
    only,
    dimensions,
    opset,
  })

describe('expand-broadcast', () => {
  it.each(['Add', 'Mul', 'Sub', 'Div', 'Max'])('leaves the broadcast to %s, on either side', async (op) => {
    for (const opset of [8, 17]) {
      const shapes = [
        [1, 4],
        [3, 4],
      ] as const
      expect((await fused(shapes, (g, a, b) => g.op(op, [g.op('Expand', [a, int64([3, 4])]), b]), opset)).ops).toEqual([
        op,
      ])
      expect((await fused(shapes, (g, a, b) => g.op(op, [b, g.op('Expand', [a, int64([3, 1])])]), opset)).ops).toEqual([
        op,
      ])
    }
  })

  it('knows an open dimension by name, and that the rank stays', async () => {
    const { ops } = await fused([['sequence'], ['batch', 1, 'sequence']], (g, a, b) =>
      g.op('Where', [g.op('Greater', [b, 0]), g.op('Expand', [a, g.op('Shape', [b])]), b]),
    )
    expect(ops).toEqual(['Greater', 'Where'])
  })

  it('leaves the Expand to its other users', async () => {
    const { ops } = await fused(
      [
        [1, 4],
        [3, 4],
      ],
      (g, a, b) => {
        const wide = g.output('wide', g.op('Expand', [a, int64([3, 4])]))
        return g.op('Add', [wide, b])
      },
    )
    expect(ops).toEqual(['Expand', 'Add'])
  })

  it('keeps an Expand to a shape that no operand has', async () => {
    const both = await fused(
      [
        [1, 4],
        [3, 1],
      ],
      (g, a, b) => g.op('Add', [g.op('Expand', [a, int64([2, 3, 4])]), b]),
    )
    expect(both.ops).toEqual(['Expand', 'Add'])
    const open = await fused(
      [
        [1, 4],
        ['batch', 4],
      ],
      (g, a, b) => g.op('Add', [g.op('Expand', [a, int64([2, 4])]), b]),
    )
    expect(open.ops).toEqual(['Expand', 'Add'])
  })
})

it('computes the same for random shapes', async () => {
  const dims = fc.array(fc.boolean(), { maxLength: 3 })
  const sizes = [2, 3, 4]
  const shape = (full: readonly boolean[]): number[] =>
    full.map((whole, axis) => (whole ? (sizes[axis + 3 - full.length] ?? 1) : 1))
  await fc.assert(
    fc.asyncProperty(dims, dims, dims, async (from, to, other) => {
      const [small, target, second] = [shape(from), shape(to), shape(other)]
      fc.pre(small.length > 0 && target.length > 0 && second.length > 0)
      await fuseGraph(
        (g) => {
          const wide = g.op('Expand', [g.input('a', 'float32', small), int64(target)])
          g.output('y', g.op('Mul', [g.input('b', 'float32', second), wide]))
        },
        { only, feeds: { a: new Random(1).tensor(small), b: new Random(2).tensor(second) } },
      )
    }),
    { numRuns: 50 },
  )
})
