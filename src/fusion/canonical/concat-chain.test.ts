import { expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const only = ['concat-chain']

const fused = (build: (g: GraphBuilder, a: Value, b: Value, c: Value) => Value) =>
  fuseGraph(
    (g) => {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => g.input(name, 'float32', [2, 3])) as [Value, Value, Value]
      g.output('y', build(g, a, b, c))
    },
    { only },
  )

const concat = (g: GraphBuilder, axis: number, ...values: Value[]): Value => g.op('Concat', values, { axis })

it('flattens a Concat within a Concat, wherever it stands', async () => {
  expect((await fused((g, a, b, c) => concat(g, 1, a, concat(g, 1, b, c)))).ops).toEqual(['Concat'])
  expect((await fused((g, a, b, c) => concat(g, 1, concat(g, 1, a, b), c, a))).ops).toEqual(['Concat'])
  expect((await fused((g, a, b, c) => concat(g, 0, concat(g, 0, concat(g, 0, a, b), c), a))).ops).toEqual(['Concat'])
})

it('sees that a negative axis is the same', async () => {
  expect((await fused((g, a, b, c) => concat(g, -1, a, concat(g, 1, b, c)))).ops).toEqual(['Concat'])
})

it('takes the same Concat twice', async () => {
  const { ops } = await fused((g, a, b) => {
    const both = concat(g, 1, a, b)
    return concat(g, 1, both, both)
  })
  expect(ops).toEqual(['Concat'])
})

it('keeps another axis, and a Concat with other users', async () => {
  const { ops } = await fused((g, a, b, c) => concat(g, 0, concat(g, 1, a, b), concat(g, 1, b, c)))
  expect(ops).toEqual(['Concat', 'Concat', 'Concat'])
  const shared = await fused((g, a, b, c) => g.op('Relu', [concat(g, 1, g.output('both', concat(g, 1, a, b)), c)]))
  expect(shared.ops).toEqual(['Concat', 'Concat', 'Relu'])
})
