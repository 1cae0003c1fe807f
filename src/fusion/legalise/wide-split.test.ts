import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { operators } from '../../../test/support/find.ts'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { buildModel, type GraphBuilder, int64, type Model } from '../../graph/index.ts'

const only = ['wide-split']
const ones = (count: number): number[] => new Array<number>(count).fill(1)

/** All parts of x as outputs, so that each of them is seen. */
const parts = (
  g: GraphBuilder,
  shape: readonly (number | string)[],
  sizes: readonly number[],
  asInput: boolean,
): void => {
  const x = g.input('x', 'float32', shape)
  const axis = shape.length - 1
  const inputs = asInput ? [x, int64(sizes)] : [x]
  const attributes = asInput ? { axis } : { axis, split: [...sizes] }
  const { outputs } = g.node('Split', inputs, attributes, { outputs: sizes.length })
  for (const [index, part] of outputs.entries()) if (part) g.output(`y${index}`, part)
}

const widest = (model: Model): number => Math.max(...Array.from(model.graph.nodes, ({ outputs }) => outputs.length))

describe('wide-split takes steps of at most 7 parts', () => {
  it.each([
    [8, 17, 2],
    [16, 13, 4],
    [49, 17, 8],
    [50, 11, 9],
    [10, 9, 3],
  ])('%i parts in opset %i: %i Splits', async (count, opset, splits) => {
    const model = buildModel((g) => parts(g, [2, count], ones(count), opset >= 13), { opset })
    const { model: fused } = await fuseAndCompare(model, { only })
    expect(operators(fused)).toEqual(new Array(splits).fill('Split'))
    expect(widest(fused)).toBeLessThanOrEqual(7)
  })

  it('as many as num_outputs says, of a negative axis, other sizes open', async () => {
    const { model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['n', 9])
        const { outputs } = g.node('Split', [x], { axis: -1, num_outputs: 9 }, { outputs: 9 })
        g.output('y', g.op('Add', [outputs[0] ?? x, outputs[8] ?? x]))
      },
      { only, opset: 18, dimensions: { n: 3 } },
    )
    expect(widest(model)).toBe(7)
  })

  it('of sizes as they come, also of none', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 8, maxLength: 60 }), async (sizes) => {
        fc.pre(sizes.some((size) => size > 0))
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const { model } = await fuseAndCompare(
          buildModel((g) => parts(g, [2, total], sizes, true)),
          { only },
        )
        expect(widest(model)).toBeLessThanOrEqual(7)
      }),
      { numRuns: 20 },
    ))
})

describe('wide-split leaves alone', () => {
  it('seven parts, and everything when the target is the standard', async () => {
    const seven = (g: GraphBuilder): void => parts(g, [7], ones(7), true)
    expect((await fuseGraph(seven, { only })).ops).toEqual(['Split'])
    const eight = (g: GraphBuilder): void => parts(g, [8], ones(8), true)
    expect((await fuseGraph(eight, { only, target: 'onnx' })).ops).toEqual(['Split'])
  })

  it('what the CPU splits', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const { outputs } = g.node('Split', [g.input('x', 'int64', [8]), int64(ones(8))], { axis: 0 }, { outputs: 8 })
        for (const [index, part] of outputs.entries()) if (part) g.output(`y${index}`, part)
      },
      { only },
    )
    expect([ops, reasons]).toEqual([['Split'], []])
  })

  it('parts whose sizes are not known', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const { outputs } = g.node(
          'Split',
          [g.input('x', 'float32', ['n'])],
          { axis: 0, num_outputs: 8 },
          { outputs: 8 },
        )
        for (const [index, part] of outputs.entries()) if (part) g.output(`y${index}`, part)
      },
      { only, opset: 18, dimensions: { n: 16 } },
    )
    expect(reasons).toEqual(['the sizes of its parts are not known'])
  })
})
