import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import { keepsOrder } from './no-op-view.ts'

const only = ['no-op-view']

const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.op('Neg', [g.input('x', 'float32', shape)]))), { only, ...options })

const end = 2 ** 31 - 1

describe('no-op-view drops', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['a Reshape to the same sizes', (g, x) => g.op('Reshape', [x, int64([2, 3])])],
    ['a Reshape that copies', (g, x) => g.op('Reshape', [x, int64([0, -1])])],
    ['a Flatten of a matrix', (g, x) => g.op('Flatten', [x])],
    ['an Expand to the same sizes', (g, x) => g.op('Expand', [x, int64([2, 3])])],
    ['an Expand to ones', (g, x) => g.op('Expand', [x, int64([1, 1])])],
    ['a Tile once', (g, x) => g.op('Tile', [x, int64([1, 1])])],
    ['a Transpose that moves nothing', (g, x) => g.op('Transpose', [x], { perm: [0, 1] })],
    ['a Slice of all', (g, x) => g.op('Slice', [x, int64([0]), int64([3]), int64([1])])],
    ['a Slice to an end far away', (g, x) => g.op('Slice', [x, int64([0, 0]), int64([end, 1e15])])],
    [
      'a Slice from a start before the first',
      (g, x) => g.op('Slice', [x, int64([-7]), int64([9]), int64([-1]), int64([1])]),
    ],
    ['a Pad by nothing', (g, x) => g.op('Pad', [x, int64([0, 0, 0, 0])])],
    ['a Squeeze of no axes', (g, x) => g.op('Squeeze', [x])],
  ])('%s', async (_, build) => {
    expect((await fused([2, 3], build)).ops).toEqual(['Neg'])
  })

  it.each<[string, number, (g: GraphBuilder, x: Value) => Value]>([
    ['Slice', 9, (g, x) => g.op('Slice', [x], { starts: [0, 0], ends: [end, end] })],
    ['Slice with a short end', 9, (g, x) => g.op('Slice', [x], { starts: [0], ends: [3], axes: [1] })],
    ['Pad', 10, (g, x) => g.op('Pad', [x], { pads: [0, 0, 0, 0], mode: 'reflect' })],
  ])('%s with attributes (opset %i)', async (_, opset, build) => {
    expect((await fused([2, 3], build, { opset })).ops).toEqual(['Neg'])
  })

  it('what changes nothing for every size of a dimension known by name', async () => {
    const shape = ['batch', 3, 1]
    const all = await Promise.all([
      fused(shape, (g, x) => g.op('Reshape', [x, g.op('Shape', [x])])),
      fused(shape, (g, x) => g.op('Reshape', [x, int64([-1, 3, 1])])),
      fused(shape, (g, x) => g.op('Expand', [x, int64([3, 1])])),
      fused(shape, (g, x) => g.op('Slice', [x, int64([0]), g.op('Shape', [x], { start: 0, end: 1 }), int64([0])])),
    ])
    expect(all.map(({ ops }) => ops)).toEqual([['Neg'], ['Neg'], ['Neg'], ['Neg']])
  })

  it('a Transpose of axes of size 1 that leaves the shape', async () => {
    expect((await fused([1, 1, 3], (g, x) => g.op('Transpose', [x], { perm: [1, 0, 2] }))).ops).toEqual(['Neg'])
  })
})

describe('no-op-view keeps', () => {
  it.each<[string, readonly (number | string)[], (g: GraphBuilder, x: Value) => Value]>([
    ['a Reshape to another shape of as many elements', [2, 3], (g, x) => g.op('Reshape', [x, int64([3, 2])])],
    ['a Reshape that adds an axis', [2, 3], (g, x) => g.op('Reshape', [x, int64([1, 2, 3])])],
    ['an Expand that stretches', [2, 1], (g, x) => g.op('Expand', [x, int64([2, 3])])],
    ['an Expand that may stretch a dimension', ['n', 2], (g, x) => g.op('Expand', [x, int64([3, 2])])],
    ['a Transpose of a square', [3, 3], (g, x) => g.op('Transpose', [x])],
    ['a Slice backwards', [2, 3], (g, x) => g.op('Slice', [x, int64([-1]), int64([-9]), int64([1]), int64([-1])])],
    ['a Slice of a part', [2, 3], (g, x) => g.op('Slice', [x, int64([1]), int64([end]), int64([1])])],
    ['a Slice of every second', [4], (g, x) => g.op('Slice', [x, int64([0]), int64([end]), int64([0]), int64([2])])],
    ['a Pad that cuts off as much as it adds', [2, 3], (g, x) => g.op('Pad', [x, int64([0, 1, 0, -1])])],
    ['a Tile', [2], (g, x) => g.op('Tile', [x, int64([2])])],
  ])('%s', async (_, shape, build) => {
    const { ops } = await fused(shape, build, { dimensions: { n: 1 } })
    expect(ops).toHaveLength(2)
  })

  it('a Slice whose ends are computed', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.op('Neg', [g.input('x', 'float32', [4])])
        g.output('y', g.op('Slice', [x, int64([0]), g.input('end', 'int64', [1])]))
      },
      { only, feeds: { x: new Random(1).tensor([4]), end: int64([2]) } },
    )
    expect(ops).toEqual(['Neg', 'Slice'])
  })
})

it('knows which permutations move axes of size 1 only', () => {
  expect(keepsOrder([1, 0, 2], [1, 2, 3])).toBe(true)
  expect(keepsOrder(undefined, [1, 2, 1])).toBe(true)
  expect(keepsOrder(undefined, [2, 1, 3])).toBe(false)
  expect(keepsOrder([1, 0], ['n', 'm'])).toBe(false)
  expect(keepsOrder([0, 1], undefined)).toBe(false)
})

it('computes the same for random slices, and drops those that take all', async () => {
  const bound = fc.integer({ min: -5, max: 5 })
  await fc.assert(
    fc.asyncProperty(bound, bound, fc.constantFrom(-2, -1, 1, 2), async (start, stop, step) => {
      const indices = [0, 1, 2, 3]
      const from = start < 0 ? Math.max(start + 4, 0) : start
      const to = stop < 0 ? stop + 4 : stop
      const takesAll = step === 1 && indices.every((index) => index >= from && index < to)
      const { ops } = await fused([4, 2], (g, x) =>
        g.op('Slice', [x, int64([start]), int64([stop]), int64([0]), int64([step])]),
      )
      expect(ops).toEqual(takesAll ? ['Neg'] : ['Neg', 'Slice'])
    }),
    { numRuns: 60 },
  )
})
