import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const random = new Random(25)
const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
) =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', shape))), {
    only: ['global-average-pool'],
    ...options,
  })

describe('global-average-pool', () => {
  it('takes the mean over an image, with axes as attribute or input, in any order, from the end too', async () => {
    for (const axes of [
      [2, 3],
      [3, 2],
      [-1, -2],
      [-2, 3],
    ]) {
      const attribute = await fused([2, 3, 4, 5], (g, x) => g.op('ReduceMean', [x], { axes }))
      expect(attribute.ops).toEqual(['GlobalAveragePool'])
      const input = await fused(
        ['n', 3, 'h', 'w'],
        (g, x) => g.op('ReduceMean', [g.op('Conv', [x, random.tensor([4, 3, 1, 1])]), int64(axes)]),
        { opset: 18 },
      )
      expect(input.ops).toEqual(['Conv', 'GlobalAveragePool'])
    }
    const volume = await fused([2, 3, 4, 5, 2], (g, x) => g.op('ReduceMean', [x], { axes: [2, 3, 4], keepdims: 1 }))
    expect(volume.ops).toEqual(['GlobalAveragePool'])
    const signal = await fused([2, 3, 8], (g, x) => {
      const y = g.op('Relu', [g.op('Conv', [x, random.tensor([4, 3, 3])])])
      return g.op('ReduceMean', [y], { axes: [-1] })
    })
    expect(signal.ops.at(-1)).toBe('GlobalAveragePool')
  })

  it('leaves an image that may have no pixels', async () => {
    const { ops, reasons } = await fused(['n', 3, 'h', 4], (g, x) => g.op('ReduceMean', [x], { axes: [2, 3] }))
    expect(ops).toEqual(['ReduceMean'])
    expect(reasons).toEqual(['its image may have no pixels, which a pool does not take'])
  })

  it('leaves other axes, means without kept axes, and means of sequences', async () => {
    for (const attributes of [
      { axes: [1, 2] },
      { axes: [2] },
      { axes: [1, 2, 3] },
      { axes: [2, 3], keepdims: 0 },
      // Only 1 keeps them.
      { axes: [2, 3], keepdims: 2 },
      {},
    ]) {
      const { ops } = await fused([2, 3, 4, 5], (g, x) => g.op('ReduceMean', [x], attributes))
      expect(ops).toEqual(['ReduceMean'])
    }
    const sequence = await fused([2, 3, 4], (g, x) => g.op('ReduceMean', [x], { axes: [-1] }))
    expect(sequence.ops).toEqual(['ReduceMean'])
  })

  it('leaves the means of a normalisation', async () => {
    const { ops } = await fused([2, 3, 4, 5], (g, x) => {
      const centred = g.op('Sub', [x, g.op('ReduceMean', [x], { axes: [2, 3] })])
      const variance = g.op('ReduceMean', [g.op('Mul', [centred, centred])], { axes: [2, 3] })
      return g.op('Div', [centred, g.op('Sqrt', [g.op('Add', [variance, 1e-5])])])
    })
    expect(ops.filter((op) => op === 'ReduceMean')).toHaveLength(2)
  })

  it('leaves types without a kernel, an unknown rank, and opset 22, where WebGPU has none', async () => {
    const double = await fuseGraph(
      (g) => g.output('y', g.op('ReduceMean', [g.input('x', 'float64', [1, 2, 3, 3])], { axes: [2, 3] })),
      { only: ['global-average-pool'] },
    )
    expect(double.reasons).toEqual(['a GlobalAveragePool of float64 has no kernel'])
    const newer = await fused([1, 2, 3, 3], (g, x) => g.op('ReduceMean', [x, int64([2, 3])]), { opset: 22 })
    expect(newer.ops).toEqual(['ReduceMean'])
    const onnx = await fused([1, 2, 3, 3], (g, x) => g.op('ReduceMean', [x, int64([2, 3])]), {
      opset: 22,
      target: 'onnx',
    })
    expect(onnx.ops).toEqual(['GlobalAveragePool'])
  })

  it('computes the same for images of any rank and size', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(size, { minLength: 4, maxLength: 5 }), fc.boolean(), async (shape, negative) => {
        const axes = shape.slice(2).map((_, index) => (negative ? -1 - index : index + 2))
        const { ops } = await fused(shape, (g, x) => g.op('ReduceMean', [x], { axes }))
        expect(ops).toEqual(['GlobalAveragePool'])
      }),
      { numRuns: 30 },
    )
  })
})
