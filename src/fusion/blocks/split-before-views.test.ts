import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options } from '../../../test/support/fuse-function.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['gathers-to-split', 'split-through-views']
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

describe('gathers-to-split', () => {
  it.each<[string, Formula]>([
    ['timm: packed queries, keys and values', (g, x) => gathered(g, packed(g, x), 0, [0, 1, 2])],
    ['any order, and indices from the end', (g, x) => gathered(g, packed(g, x), 0, [-1, 0, 1])],
    ['an axis counted from the end', (g, x) => gathered(g, g.op('Reshape', [x, int64([0, 0, 3, 8])]), -2, [2, 1, 0])],
  ])('recognises %s', async (_name, formula) => {
    for (const opset of [11, 13, 17, 18]) {
      const { ops } = await fused(formula, { opset })
      expect(ops[0]).toBe('Split')
      expect(ops).not.toContain('Gather')
    }
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

  it('splits the value itself where its source cannot be split along that axis', async () => {
    // The parts of the heads are innermost: slices of the source are not contiguous.
    const { ops } = await fused((g, x) => gathered(g, g.op('Reshape', [x, int64([0, 0, 8, 3])]), 3, [0, 1, 2]))
    expect(ops).toEqual(['Reshape', 'Split', 'Reshape', 'Reshape', 'Reshape', 'Concat'])
  })
})

describe('split-through-views', () => {
  const unbound = (g: GraphBuilder, value: Value, axis: number, count: number, opset: number): Value => {
    const sizes = new Array<number>(count).fill(1)
    const inputs = opset >= 13 ? [value, int64(sizes)] : [value]
    const { outputs } = g.node('Split', inputs, opset >= 13 ? { axis } : { axis, split: sizes }, { outputs: count })
    return g.op(
      'Concat',
      outputs.map((output) => g.op('Neg', [output])),
      { axis: axis === 0 ? 1 : 0 },
    )
  }

  it('splits what a layer projected', async () => {
    for (const opset of [11, 13, 18]) {
      const { ops } = await fused((g, x) => unbound(g, packed(g, x), 0, 3, opset), { opset })
      expect(ops[0]).toBe('Split')
    }
  })

  it.each<[string, Formula]>([
    [
      'slices of more than one',
      (g, x) => {
        const { outputs } = g.node('Split', [packed(g, x), int64([1, 2])], { axis: 0 }, { outputs: 2 })
        return g.op('Concat', outputs, { axis: 0 })
      },
    ],
    ['a value that is no view', (g, x) => unbound(g, g.op('Relu', [x]), 0, 2, 17)],
  ])('leaves %s alone', async (_name, formula) => {
    expect((await fused(formula)).report.fusions).toEqual({})
  })

  it('leaves an axis alone that its source cannot be split along', async () => {
    const { report, reasons } = await fused((g, x) => unbound(g, g.op('Reshape', [x, int64([0, 0, 8, 3])]), 3, 3, 17))
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(/can be split along/))
  })
})
