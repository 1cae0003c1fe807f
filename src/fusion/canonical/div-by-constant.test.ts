import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  type BuildOptions,
  type ElementType,
  type GraphBuilder,
  type Operand,
  Tensor,
  type Value,
} from '../../graph/index.ts'

const only = ['div-by-constant']

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  { type = 'float32', ...options }: CompareOptions & BuildOptions & { type?: ElementType } = {},
): Promise<Fused> => fuseGraph((g) => g.output('y', build(g, g.input('x', type, [3, 4]))), { only, ...options })

const by = (constant: Operand, options = {}): Promise<Fused> => fused((g, x) => g.op('Div', [x, constant]), options)

describe('div-by-constant multiplies', () => {
  it.each([2, 3, -0.1, 255, 1e-30, 1e30])('by 1/%d', async (number) => {
    expect((await by(number)).ops).toEqual(['Mul'])
  })

  it('in every shape, also one that stretches the data, and since opset 7', async () => {
    for (const dims of [[1], [4], [3, 1], [2, 1, 1]]) {
      expect((await by(new Random(1).tensor(dims, 'float32', [0.1, 3]))).ops).toEqual(['Mul'])
    }
    expect((await by(3, { opset: 7 })).ops).toEqual(['Mul'])
  })

  it('by the reciprocal of a float16 and of a float64', async () => {
    expect((await by(Tensor.fromNumbers('float16', [], [3]), { type: 'float16', tolerance: 2e-3 })).ops).toEqual([
      'Mul',
    ])
    expect((await by(Tensor.fromNumbers('float64', [], [3]), { type: 'float64', tolerance: 1e-15 })).ops).toEqual([
      'Mul',
    ])
  })
})

describe('div-by-constant leaves alone', () => {
  it.each([0, Number.POSITIVE_INFINITY, 1e-40, 2e38])(
    'a division by %d, whose reciprocal is no such number',
    async (number) => {
      const { ops, reasons } = await by(number)
      expect(ops).toEqual(['Div'])
      expect(reasons[0]).toMatch(/no finite reciprocal/)
    },
  )

  it('a float16 whose reciprocal loses digits', async () => {
    expect((await by(Tensor.fromNumbers('float16', [], [40000]), { type: 'float16' })).ops).toEqual(['Div'])
  })

  it('whole numbers, a division of a constant, and what a caller gives', async () => {
    const whole = { type: 'int32' as const, feeds: { x: new Random(1).tensor([3, 4], 'int32', [-9, 9]) } }
    expect((await by(Tensor.fromNumbers('int32', [], [2]), whole)).ops).toEqual(['Div'])
    expect((await fused((g, x) => g.op('Div', [g.constant(2), x]))).ops).toEqual(['Div'])
    expect((await fused((g, x) => g.op('Div', [x, g.input('c', 'float32', [])]))).ops).toEqual(['Div'])
  })

  it('the division before Erf, by which runtimes know GELU', async () => {
    expect((await fused((g, x) => g.op('Erf', [g.op('Div', [x, Math.SQRT2])]))).ops).toEqual(['Div', 'Erf'])
  })
})

it('is off by no more than the last digits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.float({ min: Math.fround(1e-6), max: Math.fround(1e6) }), async (number) => {
      await by(number, { tolerance: 3e-7 })
    }),
    { numRuns: 30 },
  )
})
