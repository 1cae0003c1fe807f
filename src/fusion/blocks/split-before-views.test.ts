import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['unbind-to-split', 'split-through-views']
const fused = fuseFunction(only, [2, 5, 24])

/** Takes slices of an axis apart by Gather, and puts them together in a way that tells them apart. */
const gathered = (g: GraphBuilder, value: Value, axis: number, indices: readonly number[]): Value =>
  g.op(
    'Concat',
    indices.map((index) => g.op('Gather', [value, int64(index)], { axis })),
    { axis: 0 },
  )

/** [B, S, 3·N·H] to [3, B, N, S, H]. */
const packed = (g: GraphBuilder, x: Value): Value =>
  g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, 3, 2, 4])])], { perm: [2, 0, 3, 1, 4] })

describe('unbind-to-split', () => {
  it.each<[string, Formula]>([
    ['timm: packed queries, keys and values', (g, x) => gathered(g, packed(g, x), 0, [0, 1, 2])],
    ['any order, and indices from the end', (g, x) => gathered(g, packed(g, x), 0, [-1, 0, 1])],
    ['an axis counted from the end', (g, x) => gathered(g, g.op('Reshape', [x, int64([0, 0, 3, 8])]), -2, [2, 1, 0])],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(11, 13, 17, 20)) {
      const { ops } = await fused(formula, variant)
      expect(ops).toContain('Split')
      expect(ops).not.toContain('Gather')
    }
  })

  /** Takes pieces of one element by Slice, as the dynamo exporter writes unbind. */
  const sliced = (g: GraphBuilder, value: Value, axis: number, ends: readonly (readonly [number, number])[]): Value =>
    g.op(
      'Concat',
      ends.map(([start, end]) =>
        g.graph.model.opset >= 10
          ? g.op('Slice', [value, int64([start]), int64([end]), int64([axis])])
          : g.op('Slice', [value], { starts: [start], ends: [end], axes: [axis] }),
      ),
      { axis: 0 },
    )

  it.each<[string, Formula]>([
    [
      'slices of one element',
      (g, x) =>
        sliced(g, packed(g, x), 0, [
          [0, 1],
          [1, 2],
          [2, 3],
        ]),
    ],
    [
      'the last one up to the end',
      (g, x) =>
        sliced(g, packed(g, x), 0, [
          [2, 2 ** 31 - 1],
          [0, 1],
          [1, 2],
        ]),
    ],
    [
      'indices from the end and past the beginning',
      (g, x) =>
        sliced(g, packed(g, x), -5, [
          [-2, -1],
          [-9, -2],
          [-1, 9],
        ]),
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const variant of variants(9, 11, 13, 20)) {
      const { ops } = await fused(formula, variant)
      expect(ops).toContain('Split')
      expect(ops).not.toContain('Slice')
    }
  })

  it.each<[string, Formula]>([
    [
      'slices that overlap',
      (g, x) =>
        sliced(g, packed(g, x), 0, [
          [0, 1],
          [0, 1],
          [2, 3],
        ]),
    ],
    [
      'slices of several elements',
      (g, x) =>
        sliced(g, packed(g, x), 0, [
          [0, 2],
          [2, 3],
        ]),
    ],
    ['every other element', (g, x) => g.op('Slice', [packed(g, x), int64([0]), int64([3]), int64([0]), int64([2])])],
    ['slices of two axes', (g, x) => g.op('Slice', [packed(g, x), int64([0, 0]), int64([1, 1]), int64([0, 1])])],
    [
      'a vector',
      (g, x) =>
        sliced(g, g.op('Reshape', [g.op('Slice', [x, int64([0]), int64([2]), int64([2])]), int64([-1])]), 0, [
          [0, 1],
          [1, 2],
        ]),
    ],
  ])('leaves alone %s', async (_name, formula) => {
    const { ops } = await fused(formula)
    expect(ops).not.toContain('Split')
  })

  it('splits before the first slice, which may have users before the last is taken', async () => {
    const { ops } = await fused((g, x) => {
      const data = packed(g, x)
      const slice = (index: number): Value => g.op('Gather', [data, int64(index)], { axis: 0 })
      const first = g.op('Neg', [slice(2)])
      const second = g.op('Add', [first, slice(0)])
      return g.op('Add', [second, slice(1)])
    })
    expect(ops).toContain('Split')
    expect(ops).not.toContain('Gather')
  })

  it('computes the same for every size and axis', async () => {
    const size = fc.integer({ min: 2, max: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 4 }), fc.nat(3), async (shape, at) => {
        const axis = at % shape.length
        const count = shape[axis] ?? 1
        fc.pre(shape.length > 1)
        const { ops } = await fuseFunction(
          only,
          shape,
        )((g, x) =>
          gathered(
            g,
            x,
            axis,
            Array.from({ length: count }, (_, index) => index),
          ),
        )
        expect(ops).toContain('Split')
      }),
      { numRuns: 25 },
    )
  })

  it.each<[string, Formula, Options]>([
    ['a slice that nobody takes', (g, x) => gathered(g, packed(g, x), 0, [0, 2]), {}],
    ['a slice that is taken twice', (g, x) => gathered(g, packed(g, x), 0, [0, 1, 1]), {}],
    ['several indices at once', (g, x) => g.op('Gather', [packed(g, x), int64([0, 1, 2])], { axis: 0 }), {}],
    [
      'two axes',
      (g, x) => {
        const value = g.op('Reshape', [x, int64([2, 2, -1])])
        const one = gathered(g, value, 0, [0, 1])
        return g.op('Add', [one, gathered(g, value, 1, [0, 1])])
      },
      {},
    ],
    [
      'a value with another user',
      (g, x) => {
        const value = packed(g, x)
        return g.op('Add', [
          g.op('Reshape', [gathered(g, value, 0, [0, 1, 2]), int64([-1])]),
          g.op('Reshape', [value, int64([-1])]),
        ])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, formula, options) => {
    expect((await fused(formula, options)).report.fusions).toEqual({})
  })
})

describe('split-through-views', () => {
  /** Slices of size 1 along an axis. */
  const slices = (g: GraphBuilder, value: Value, axis: number, count = 3): (Value | undefined)[] => {
    const sizes = new Array<number>(count).fill(1)
    const input = g.graph.model.opset >= 13
    const { outputs } = g.node(
      'Split',
      input ? [value, int64(sizes)] : [value],
      input ? { axis } : { axis, split: sizes },
      {
        outputs: count,
      },
    )
    return [...outputs]
  }

  /** Q·Kᵀ·V of three slices of [B, N, S, H]. */
  const attend = (g: GraphBuilder, [q, k, v]: readonly (Value | undefined)[], axis = 0): Value => {
    const squeezed = (value: Value | undefined): Value =>
      g.graph.model.opset >= 13 ? g.op('Squeeze', [value, int64([axis])]) : g.op('Squeeze', [value], { axes: [axis] })
    const query = g.op('Mul', [squeezed(q), 0.5])
    const scores = g.op('MatMul', [query, g.op('Transpose', [squeezed(k)], { perm: [0, 1, 3, 2] })])
    return g.op('MatMul', [scores, squeezed(v)])
  }

  it('splits what a layer projected', async () => {
    for (const variant of variants(11, 13, 17, 20)) {
      const { ops } = await fused((g, x) => attend(g, slices(g, packed(g, x), 0)), variant)
      expect(ops[0]).toBe('Split')
    }
  })

  it('leaves attention over slices nothing to move', async () => {
    const { ops } = await fused(
      (g, x) => {
        const [q, k, v] = [0, 1, 2].map((index) => g.op('Gather', [packed(g, x), int64(index)], { axis: 0 }))
        const scores = g.op('MatMul', [q, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })])
        const attended = g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), v])
        return g.op('Reshape', [g.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), int64([0, 0, 8])])
      },
      { only: [...only, 'common-subexpression', 'multi-head-attention'] },
    )
    expect(ops).toEqual(['Split', 'MultiHeadAttention'])
  })

  it.each<[string, Formula]>([
    [
      'slices of more than one',
      (g, x) => {
        const { outputs } = g.node('Split', [packed(g, x), int64([1, 2])], { axis: 0 }, { outputs: 2 })
        return g.op('Concat', outputs, { axis: 0 })
      },
    ],
    [
      'slices that do not go to attention',
      (g, x) =>
        g.op(
          'Concat',
          slices(g, packed(g, x), 0).map((slice) => g.op('Neg', [slice])),
          { axis: 1 },
        ),
    ],
    [
      'a slice with another user',
      (g, x) => {
        const [q, k, v] = slices(g, packed(g, x), 0)
        return g.op('Add', [attend(g, [q, k, v]), g.op('Squeeze', [v, int64([0])])])
      },
    ],
  ])('leaves %s alone', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it.each<[string, Formula]>([
    [
      'an axis that its source cannot be split along',
      (g, x) => attend(g, slices(g, g.op('Reshape', [x, int64([2, 5, 2, 4, 3])]), 4), 4),
    ],
    [
      'a value that is no view',
      (g, x) => attend(g, slices(g, g.op('Relu', [g.op('Reshape', [x, int64([3, 2, 2, 5, 4])])]), 0)),
    ],
  ])('leaves %s alone, and says so', async (_name, formula) => {
    const { report, reasons } = await fused(formula)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(/can be split along/))
  })

  testDrawn(
    'split-through-views',
    fc.record({
      batch: fc.constantFrom<(number | string)[]>(1, 2, 'n'),
      positions: fc.integer({ min: 1, max: 4 }),
      heads: fc.integer({ min: 1, max: 3 }),
      size: fc.integer({ min: 1, max: 4 }),
      opset: fc.constantFrom(11, 13, 17),
    }),
    ({ batch, positions, heads, size, opset }) => ({
      build: (g) => {
        const x = g.op('Neg', [g.input('x', 'float32', [batch, positions, 3 * heads * size])])
        const split = g.op('Reshape', [x, int64([-1, positions, 3, heads, size])])
        const parts = slices(g, g.op('Transpose', [split], { perm: [2, 0, 3, 1, 4] }), 0)
        g.output('y', attend(g, parts))
      },
      opset,
      fires: true,
    }),
  )
})
