import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['reshape-chain']

const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.op('Neg', [g.input('x', 'float32', shape)]))), { only, ...options })

const view = (g: GraphBuilder, op: string, x: Value, numbers?: readonly number[]): Value =>
  g.op(op, [x, numbers && int64(numbers)])

/** The shape that the one Reshape left has. */
const shapeOf = ({ model }: Fused): number[] | undefined => {
  const [, reshape] = model.graph.nodes
  return reshape?.inputs[1]?.constant && [...reshape.inputs[1].constant.toNumbers()]
}

describe('reshape-chain makes one of', () => {
  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['two Reshapes', (g, x) => view(g, 'Reshape', view(g, 'Reshape', x, [6, 4]), [2, 12])],
    ['Reshape and Flatten', (g, x) => g.op('Flatten', [view(g, 'Reshape', x, [2, 3, 2, 2])], { axis: 2 })],
    ['Flatten and Unsqueeze', (g, x) => view(g, 'Unsqueeze', g.op('Flatten', [x]), [0])],
    ['Unsqueeze and Reshape', (g, x) => view(g, 'Reshape', view(g, 'Unsqueeze', x, [1]), [0, -1])],
    ['two Unsqueezes', (g, x) => view(g, 'Unsqueeze', view(g, 'Unsqueeze', x, [0]), [2, -1])],
    ['three', (g, x) => view(g, 'Squeeze', view(g, 'Unsqueeze', view(g, 'Reshape', x, [4, 6]), [0, 1]), [0])],
  ])('%s', async (_, build) => {
    expect((await fused([2, 3, 4], build)).ops).toHaveLength(2)
  })

  it('what ends as it began: nothing', async () => {
    expect((await fused([2, 3], (g, x) => view(g, 'Squeeze', view(g, 'Unsqueeze', x, [1]), [1]))).ops).toEqual(['Neg'])
    expect((await fused([2, 1, 3], (g, x) => view(g, 'Unsqueeze', view(g, 'Squeeze', x, [1]), [1]))).ops).toEqual([
      'Neg',
    ])
    expect(
      (
        await fused([2, 3], (g, x) =>
          view(g, 'Reshape', g.op('Transpose', [view(g, 'Unsqueeze', x, [0])], { perm: [1, 0, 2] }), [2, 3]),
        )
      ).ops,
    ).toEqual(['Neg'])
  })

  it('what undoes itself whatever the rank', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.op('Expand', [g.input('x', 'float32', ['n']), g.input('shape', 'int64', ['rank'])])
        g.output('y', view(g, 'Squeeze', view(g, 'Unsqueeze', x, [0, 2]), [2, 0]))
      },
      { only, feeds: { x: new Random(1).tensor([6]), shape: int64([4, 2, 6]) } },
    )
    expect(ops).toEqual(['Expand'])
  })

  it('two Squeezes, and two Unsqueezes, with axes in attributes (opset 11)', async () => {
    const squeezed = await fused(
      [1, 2, 1, 3, 1],
      (g, x) => g.op('Squeeze', [g.op('Squeeze', [x], { axes: [0, -1] })], { axes: [1] }),
      { opset: 11 },
    )
    expect(squeezed.ops).toEqual(['Neg', 'Squeeze'])
    const unsqueezed = await fused(
      [2, 3],
      (g, x) => g.op('Unsqueeze', [g.op('Unsqueeze', [x], { axes: [0, 2] })], { axes: [1] }),
      { opset: 11 },
    )
    expect(unsqueezed.ops).toEqual(['Neg', 'Unsqueeze'])
  })

  it('a transpose that moves axes of size 1 only, and a Reshape', async () => {
    const { ops } = await fused([1, 5, 1, 4], (g, x) =>
      view(g, 'Reshape', g.op('Transpose', [x], { perm: [1, 2, 0, 3] }), [5, 4]),
    )
    expect(ops).toEqual(['Neg', 'Reshape'])
  })
})

describe('reshape-chain with open dimensions', () => {
  const dimensions = { n: 3, m: 5 }

  it('copies what stays, and infers one that does not', async () => {
    const kept = await fused(['n', 4, 2], (g, x) => view(g, 'Reshape', view(g, 'Reshape', x, [0, 2, -1]), [0, 8]), {
      dimensions,
    })
    expect(shapeOf(kept)).toEqual([0, 8])
    const merged = await fused(['n', 4, 2], (g, x) => view(g, 'Reshape', view(g, 'Reshape', x, [-1, 2]), [-1, 1, 4]), {
      dimensions,
    })
    expect(shapeOf(merged)).toEqual([-1, 1, 4])
  })

  it('does not bind a 0 to another input', async () => {
    // The 0 copies 6 from the first Reshape, not 2 from x.
    const bound = await fused([2, 3, 4], (g, x) => view(g, 'Reshape', view(g, 'Reshape', x, [6, 4]), [0, 2, 2]))
    expect(shapeOf(bound)).toEqual([6, 2, 2])
  })

  it('copies through both where nothing is known of what comes first', async () => {
    const build = (first: number[], last: number[]) =>
      fuseGraph(
        (g) => {
          const x = g.op('Expand', [g.input('x', 'float32', ['n']), g.input('shape', 'int64', ['rank'])])
          g.output('y', view(g, 'Reshape', view(g, 'Reshape', x, first), last))
        },
        { only, feeds: { x: new Random(1).tensor([6]), shape: int64([4, 2, 6]) } },
      )
    expect((await build([0, 0, 3, 2], [0, 0, -1])).ops).toEqual(['Expand', 'Reshape'])
    expect((await build([0, 2, 6], [0, 0, 3, 2])).ops).toEqual(['Expand', 'Reshape'])
    const unknown = await build([0, -1, 2], [0, 0, 1, 2])
    expect(unknown.ops).toEqual(['Expand', 'Reshape', 'Reshape'])
    expect(unknown.reasons).toEqual([
      'more than one size of the result is not known, or one beside others that may be 0',
    ])
  })

  it('adds and removes sizes of 1 where none can be inferred beside one that may be 0', async () => {
    const { ops } = await fused(['n', 'm'], (g, x) => view(g, 'Unsqueeze', view(g, 'Reshape', x, [0, 1, -1]), [0]), {
      dimensions,
    })
    expect(ops).toEqual(['Neg', 'Unsqueeze'])
    const merged = await fused(
      ['n', 2, 3, 'm'],
      (g, x) => view(g, 'Reshape', g.op('Flatten', [x], { axis: 2 }), [-1, 2, 1, 3, 1, 1]),
      { dimensions: { n: 2, m: 1 } },
    )
    expect(merged.ops).toEqual(['Neg', 'Reshape'])
  })

  it('leaves two that cannot be inferred', async () => {
    const { ops, reasons } = await fused(
      ['n', 'm'],
      (g, x) =>
        view(
          g,
          'Unsqueeze',
          g.op('Reshape', [
            x,
            g.op('Concat', [g.op('Shape', [x], { start: 1 }), g.op('Shape', [x], { end: 1 })], { axis: 0 }),
          ]),
          [2],
        ),
      { dimensions },
    )
    expect(ops.slice(-2)).toEqual(['Reshape', 'Unsqueeze'])
    expect(reasons).toEqual(['a computed size may be 0, which copies another'])
  })
})

describe('reshape-chain leaves alone', () => {
  it('a first view with other users, unless nothing is left of both', async () => {
    const build = (last: number[]) =>
      fused([2, 3], (g, x) => g.op('Exp', [view(g, 'Reshape', g.output('first', view(g, 'Reshape', x, [3, 2])), last)]))
    const other = await build([6])
    expect(other.ops).toEqual(['Neg', 'Reshape', 'Reshape', 'Exp'])
    expect(other.reasons).toEqual(['"first" is an output of its graph'])
    expect((await build([2, 3])).ops).toEqual(['Neg', 'Reshape', 'Exp'])
  })

  it('two transposes, which make one transpose', async () => {
    const { ops } = await fused([1, 2, 1, 3], (g, x) =>
      g.op('Transpose', [g.op('Transpose', [x], { perm: [1, 0, 2, 3] })], { perm: [0, 1, 3, 2] }),
    )
    expect(ops).toEqual(['Neg', 'Transpose', 'Transpose'])
  })

  it('a shape that is computed, and axes that are left out or computed', async () => {
    const feeds = { x: new Random(1).tensor([6]), shape: int64([2, 3]), again: int64([3, 2]), axes: int64([0]) }
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.op('Expand', [g.input('x', 'float32', ['n']), int64([1, 6])])
        g.output(
          'y',
          g.op('Reshape', [g.op('Reshape', [x, g.input('shape', 'int64', ['rank'])]), g.input('again', 'int64', [2])]),
        )
        const axes = g.input('axes', 'int64', [1])
        g.output('z', g.op('Unsqueeze', [g.op('Unsqueeze', [x, axes]), axes]))
        g.output('w', g.op('Exp', [g.op('Squeeze', [g.op('Squeeze', [g.op('Reshape', [x, g.graph.inputs[1]])])])]))
      },
      { only, feeds },
    )
    expect(ops.length).toBeGreaterThanOrEqual(8)
  })

  it('a 0 that copies a size of a Flatten of something unknown', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.op('Expand', [g.input('x', 'float32', ['n']), g.input('shape', 'int64', ['rank'])])
        g.output('y', view(g, 'Reshape', g.op('Flatten', [x]), [0, -1, 2]))
      },
      { only, feeds: { x: new Random(1).tensor([6]), shape: int64([4, 2, 6]) } },
    )
    expect(ops).toEqual(['Expand', 'Flatten', 'Reshape'])
  })

  it('views of an opset in which Reshape has no input for the shape', () => {
    const reasons = reasonsForLeaving(
      'reshape-chain',
      (g) =>
        g.output(
          'y',
          g.op('Unsqueeze', [g.op('Flatten', [g.op('Neg', [g.input('x', 'float32', [2, 3, 4])])])], { axes: [0] }),
        ),
      { opset: 4 },
    )
    expect(reasons).toEqual(['Reshape takes its shape as an input since opset 5'])
  })

  it('a transpose that moves elements', async () => {
    const { ops } = await fused([2, 3, 4], (g, x) =>
      view(g, 'Reshape', g.op('Transpose', [x], { perm: [1, 0, 2] }), [2, 12]),
    )
    expect(ops).toEqual(['Neg', 'Transpose', 'Reshape'])
  })

  it('a shape that copies an empty dimension onto another place', async () => {
    const { ops } = await fused([2, 0, 3], (g, x) =>
      g.op('Reshape', [view(g, 'Squeeze', view(g, 'Unsqueeze', x, [0]), [0]), int64([0, 5])], { allowzero: 1 }),
    )
    expect(ops).toEqual(['Neg', 'Reshape'])
  })
})

it('computes the same for random chains of views', async () => {
  const step = fc.record({
    op: fc.constantFrom('Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'),
    seed: fc.nat(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 5 }), fc.boolean(), async (steps, named) => {
      await fused(
        named ? ['n', 2, 1, 3] : [4, 2, 1, 3],
        (g, x) => {
          let dims = [4, 2, 1, 3]
          return steps.reduce((value, { op, seed }) => {
            const axis = seed % (dims.length + 1)
            if (op === 'Unsqueeze') {
              dims = dims.toSpliced(axis, 0, 1)
              return view(g, op, value, [seed % 2 ? axis : axis - dims.length])
            }
            if (op === 'Squeeze' && dims.includes(1)) {
              const one = dims.indexOf(1)
              dims = dims.toSpliced(one, 1)
              return view(g, op, value, [seed % 2 ? one : one - dims.length - 1])
            }
            if (op === 'Flatten') {
              const rows = dims.slice(0, axis).reduce((a, b) => a * b, 1)
              dims = [rows, 24 / rows]
              return g.op(op, [value], { axis })
            }
            if (op === 'Transpose') {
              const perm = dims.map((_, i) => (i + 1) % dims.length)
              dims = perm.map((i) => dims[i] ?? 1)
              return g.op(op, [value], { perm })
            }
            const known = [[4, 6], [24], [2, 3, 4], [1, 4, 6]][seed % 4] ?? []
            const inferred = seed % known.length
            dims = known
            return view(
              g,
              'Reshape',
              value,
              known.map((dim, i) => (i === inferred ? -1 : dim)),
            )
          }, x)
        },
        { dimensions: { n: 4 } },
      )
    }),
    { numRuns: 80 },
  )
})
