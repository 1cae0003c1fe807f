import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type ElementType, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const only = ['pow-constant']

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  { type = 'float32', ...options }: CompareOptions & BuildOptions & { type?: ElementType } = {},
): Promise<Fused> => fuseGraph((g) => g.output('y', build(g, g.input('x', type, [3, 4]))), { only, ...options })

const whole = (dims: number[], number: number): Tensor => Tensor.fromNumbers('int64', dims, [number])

describe('pow-constant', () => {
  it.each([
    [2, 'Mul'],
    [0.5, 'Sqrt'],
    [-1, 'Reciprocal'],
  ])('writes x^%d as %s', async (exponent, op) => {
    expect((await fused((g, x) => g.op('Pow', [x, exponent]))).ops).toEqual([op])
    expect((await fused((g, x) => g.op('Pow', [x, g.constant([exponent])]), { opset: 7 })).ops).toEqual([op])
  })

  it('takes an exponent of another type (opset 12)', async () => {
    for (const dims of [[], [1], [1, 1]]) {
      expect((await fused((g, x) => g.op('Pow', [x, whole(dims, 2)]), { opset: 13 })).ops).toEqual(['Mul'])
    }
  })

  it.each([0, 1.5, 3, -0.5])('leaves x^%d', async (exponent) => {
    expect((await fused((g, x) => g.op('Pow', [g.op('Abs', [x]), exponent]))).ops).toEqual(['Abs', 'Pow'])
  })

  it('leaves whole numbers, an exponent that raises the rank, exponents that differ, and 2ˣ', async () => {
    const numbers = { type: 'int32' as const, feeds: { x: new Random(1).tensor([3, 4], 'int32', [-9, 9]) } }
    const ofWhole = await fused((g, x) => g.op('Pow', [x, whole([], 2)]), numbers)
    expect(ofWhole.ops).toEqual(['Pow'])
    expect(ofWhole.reasons[0]).toMatch(/overflow in another way/)
    const raised = await fused((g, x) => g.op('Pow', [x, whole([1, 1, 1], 2)]))
    expect(raised.ops).toEqual(['Pow'])
    expect(raised.reasons[0]).toMatch(/raise the rank/)
    expect((await fused((g, x) => g.op('Pow', [x, Tensor.fromNumbers('float32', [4], [2, 2, 2, 3])]))).ops).toEqual([
      'Pow',
    ])
    expect((await fused((g, x) => g.op('Pow', [g.constant(2), x]))).ops).toEqual(['Pow'])
  })

  it('leaves the square before ReduceMean, by which runtimes know layer normalisation', async () => {
    const { ops } = await fused((g, x) => g.op('ReduceMean', [g.op('Pow', [x, 2])], { axes: [-1] }))
    expect(ops).toEqual(['Pow', 'ReduceMean'])
  })
})

const simpler = [2, 0.5, -1]

testDrawn(
  'pow-constant',
  fc.record({
    exponent: fc.constantFrom(...simpler, 1, 3, -2, 0),
    rank: fc.nat({ max: 3 }),
    shape: shapes({ min: 0 }),
    type: fc.constantFrom('float32', 'float16'),
    opset: fc.constantFrom(7, 12, 13, 17),
  }),
  ({ exponent, rank, shape, type, opset }) => ({
    build: (g) => {
      const c = Tensor.fromNumbers(type, new Array<number>(rank).fill(1), [exponent])
      g.output('y', g.op('Pow', [g.input('x', type, shape), c]))
    },
    opset,
    tolerance: type === 'float16' ? 1e-3 : 1e-5,
    fires: simpler.includes(exponent) && rank <= shape.length,
  }),
)
