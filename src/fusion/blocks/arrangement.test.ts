import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseFunction } from '../../../test/support/fuse-function.ts'
import { type Choose, choices } from '../../../test/support/spell.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { arrange, arrangementsOf } from './arrangement.ts'

/** |views(x)| → max(v, −v), with v the same in the fewest views. */
const rearrange = defineFusion({
  name: 'rearrange',
  roots: ['Abs'],
  rewrite(root, graph, context) {
    const [value] = root.inputs
    const [first] = value === undefined ? [] : arrangementsOf(value, context)
    if (first === undefined || first.source === value) return undefined
    const arranged = arrange(graph, first, first.to, context)
    if (arranged === undefined) return 'it cannot be arranged'
    const scaled = graph.op('Mul', [arranged, first.scale])
    return graph.op('Max', [scaled, graph.op('Neg', [scaled])])
  },
})

const fused = fuseFunction(['rearrange', 'no-op-view'], [6, 4, 10])

/** One view of a value of known dims, at random; and the dims after it. */
function view(g: GraphBuilder, choose: Choose, value: Value, dims: readonly number[]): [Value, readonly number[]] {
  const kind = choose(3)
  if (kind === 0) {
    const rest = dims.map((_, axis) => axis)
    const perm = dims.map(() => rest.splice(choose(rest.length), 1)[0] ?? 0)
    return [g.op('Transpose', [value], { perm }), perm.map((axis) => dims[axis] ?? 1)]
  }
  const axis = choose(dims.length)
  const next = [...dims]
  if (kind === 1) {
    const size = dims[axis] ?? 1
    const outer = [1, 2, 3, 5].filter((factor) => size % factor === 0)
    const factor = outer[choose(outer.length)] ?? 1
    next.splice(axis, 1, factor, size / factor)
  } else if (axis + 1 < dims.length) next.splice(axis, 2, (dims[axis] ?? 1) * (dims[axis + 1] ?? 1))
  return [g.op('Reshape', [value, int64(next)]), next]
}

describe('an arrangement', () => {
  it('is the same as the views it stands for', async () => {
    await fc.assert(
      fc.asyncProperty(choices(), fc.integer({ min: 1, max: 5 }), async (choose, length) => {
        const { ops } = await fused(
          (g, x) => {
            let [value, dims]: [Value, readonly number[]] = [x, [6, 4, 10]]
            for (let step = 0; step < length; step++) [value, dims] = view(g, choose, value, dims)
            return g.op('Abs', [choose(2) === 0 ? value : g.op('Mul', [value, 3])])
          },
          { fusions: [rearrange], only: ['rearrange'] },
        )
        const views = ops.filter((op) => op === 'Reshape' || op === 'Transpose')
        // Where a view tears what another merged, the ones before it stay.
        expect(views.length).toBeLessThanOrEqual(length + 2)
      }),
      { numRuns: 60 },
    )
  })

  it('sees through a detour of exporters', async () => {
    const { ops } = await fused(
      (g, x) => {
        // [6, 4, 10] as sequence, batch, features: to [batch·2, sequence, 5], to [batch, 2, sequence, 5].
        const merged = g.op('Transpose', [g.op('Reshape', [x, int64([6, 8, 5])])], { perm: [1, 0, 2] })
        return g.op('Abs', [g.op('Reshape', [merged, int64([4, 2, 6, 5])])])
      },
      { fusions: [rearrange], only: ['rearrange'] },
    )
    expect(ops).toEqual(['Reshape', 'Transpose', 'Mul', 'Neg', 'Max'])
  })
})
