import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['slice-chain']
const end = 2 ** 31 - 1

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions & { shape?: (number | string)[] } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', options.shape ?? [8, 9]))), { only, ...options })

const slice = (g: GraphBuilder, x: Value, ...[starts, ends, axes, steps]: (readonly number[] | undefined)[]): Value =>
  g.op('Slice', [x, ...[starts, ends, axes, steps].map((numbers) => numbers && int64(numbers))])

describe('slice-chain merges', () => {
  it('slices along different axes', async () => {
    const { ops } = await fused((g, x) => slice(g, slice(g, x, [1], [-1], [0]), [-5], [end], [-1], [2]))
    expect(ops).toEqual(['Slice'])
  })

  it('slices along one axis, forward from the front', async () => {
    expect((await fused((g, x) => slice(g, slice(g, x, [1], [7], [0]), [2], [4], [0]))).ops).toEqual(['Slice'])
    expect((await fused((g, x) => slice(g, slice(g, x, [1], [end], [0], [2]), [1], [end], [0], [2]))).ops).toEqual([
      'Slice',
    ])
    expect((await fused((g, x) => slice(g, slice(g, x, [1], [4], [0]), [1], [100], [0]))).ops).toEqual(['Slice'])
  })

  it('slices with attributes (opset 9)', async () => {
    const { ops } = await fused(
      (g, x) => {
        const rows = g.op('Slice', [x], { starts: [1], ends: [7], axes: [0] })
        return g.op('Slice', [rows], { starts: [2, 0], ends: [5, 3] })
      },
      { opset: 9 },
    )
    expect(ops).toEqual(['Slice'])
  })

  it('three in a row, with an open dimension and the largest int64 as an end', async () => {
    const { ops } = await fused(
      (g, x) => slice(g, slice(g, slice(g, x, [1], [2 ** 53 - 1], [0]), [1], [2 ** 53 - 1], [1]), [2], [5], [0]),
      { shape: ['n', 'm'], dimensions: { n: 7, m: 4 } },
    )
    expect(ops).toEqual(['Slice'])
  })
})

describe('slice-chain leaves alone', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['a negative start', (g, x) => slice(g, slice(g, x, [-6], [end], [0]), [1], [3], [0])],
    ['a negative end', (g, x) => slice(g, slice(g, x, [0], [-2], [0]), [0], [5], [0])],
    ['a step back', (g, x) => slice(g, slice(g, x, [0], [6], [0]), [4], [0], [0], [-1])],
  ])('%s along the same axis', async (_, build) => {
    const { ops, reasons } = await fused(build)
    expect(ops).toEqual(['Slice', 'Slice'])
    expect(reasons[0]).toMatch(/both cut axis 0/)
  })

  it('a slice with other users', async () => {
    const { ops, reasons } = await fused(
      (g, x) => g.output('first', slice(g, x, [1], [3], [0])) && slice(g, g.graph.outputs[0] ?? x, [1], [3], [1]),
    )
    expect(ops).toEqual(['Slice', 'Slice'])
    expect(reasons).toEqual(['"first" is an output of its graph'])
  })

  it('ranges that are computed', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const first = g.op('Slice', [g.input('x', 'float32', [8]), g.input('start', 'int64', [1]), int64([7])])
        g.output('y', slice(g, first, [0], [1], [0]))
        const second = slice(g, g.input('z', 'float32', [8]), [0], [7], [0])
        g.output('w', g.op('Slice', [second, g.graph.inputs[1], int64([7])]))
      },
      { only, feeds: { x: new Random(1).tensor([8]), z: new Random(2).tensor([8]), start: int64([2]) } },
    )
    expect(ops).toEqual(['Slice', 'Slice', 'Slice', 'Slice'])
    expect(reasons).toEqual([expect.stringMatching(/are computed/), expect.stringMatching(/are computed/)])
  })

  it('axes from the end of an unknown rank', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const x = g.op('Reshape', [g.input('x', 'float32', [2, 6]), g.input('shape', 'int64', ['rank'])])
        g.output('y', slice(g, slice(g, x, [0], [2], [-1]), [0], [2], [0]))
      },
      { only, feeds: { x: new Random(1).tensor([2, 6]), shape: int64([3, 4]) } },
    )
    expect(ops).toEqual(['Reshape', 'Slice', 'Slice'])
    expect(reasons[0]).toMatch(/unknown rank/)
  })
})

it('computes the same for random ranges', async () => {
  const range = fc.record({
    start: fc.integer({ min: -9, max: 9 }),
    stop: fc.integer({ min: -9, max: 12 }),
    step: fc.constantFrom(1, 1, 2, 3, -1),
    axis: fc.integer({ min: -2, max: 1 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(range, { minLength: 2, maxLength: 4 }), async (ranges) => {
      await fused((g, x) =>
        ranges.reduce((value, { start, stop, step, axis }) => slice(g, value, [start], [stop], [axis], [step]), x),
      )
    }),
    { numRuns: 80 },
  )
})
