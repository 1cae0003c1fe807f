import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { operators } from '../../../test/support/find.ts'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import {
  type BuildOptions,
  buildModel,
  type ElementType,
  type GraphBuilder,
  int64,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['neutral-operand']

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  { shape = [2, 3], ...options }: CompareOptions & BuildOptions & { shape?: (number | string)[] } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.op('Neg', [g.input('x', 'float32', shape)]))), { only, ...options })

const filled = (dims: readonly number[], number: number, type: ElementType = 'float32'): Tensor =>
  Tensor.fromNumbers(type, dims, new Array(dims.reduce((a, b) => a * b, 1)).fill(number))

describe('neutral-operand drops', () => {
  it.each([
    ['Mul', 1],
    ['Div', 1],
    ['Add', 0],
    ['Add', -0],
    ['Sub', 0],
    ['Pow', 1],
  ])('%s by %d, in every shape within the data', async (op, number) => {
    for (const dims of [[], [1], [1, 1], [3], [1, 3], [2, 1], [2, 3]]) {
      expect((await fused((g, x) => g.op(op, [x, filled(dims, number)]))).ops).toEqual(['Neg'])
    }
  })

  it('the constant on the left of what commutes', async () => {
    expect((await fused((g, x) => g.op('Mul', [g.constant(1), x]))).ops).toEqual(['Neg'])
    expect((await fused((g, x) => g.op('Add', [g.constant(0), x]))).ops).toEqual(['Neg'])
  })

  it('truths that change nothing, and whole numbers', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const truth = g.op('Greater', [g.input('x', 'float32', [4]), 0])
        g.output('and', g.op('And', [truth, filled([4], 1, 'bool')]))
        g.output('or', g.op('Or', [g.op('Not', [truth]), filled([1], 0, 'bool')]))
        g.output('times', g.op('Mul', [g.op('Neg', [g.input('n', 'int64', [3])]), filled([], 1, 'int64')]))
      },
      { only },
    )
    expect(ops).toEqual(['Greater', 'Not', 'Neg'])
  })

  it('a scalar from data of unknown rank', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const shape = g.input('shape', 'int64', ['rank'])
        const x = g.op('Reshape', [g.input('x', 'float32', [2, 3]), shape])
        g.output('y', g.op('Mul', [x, 1]))
      },
      { only, feeds: { x: filled([2, 3], 2), shape: int64([3, 2]) } },
    )
    expect(ops).toEqual(['Reshape'])
  })
})

describe('neutral-operand keeps', () => {
  it.each([
    ['a higher rank', [1, 1, 3]],
    ['a size of 1 that is stretched', [2, 3]],
  ])('a constant with %s', async (_, dims) => {
    const { ops, reasons } = await fused((g, x) => g.op('Mul', [x, filled(dims, 1)]), { shape: [2, 1] })
    expect(ops).toEqual(['Neg', 'Mul'])
    expect(reasons[0]).toMatch(/may broadcast/)
  })

  it('a constant that may stretch a dimension known by name only', async () => {
    const { ops } = await fused((g, x) => g.op('Add', [x, filled([3], 0)]), { shape: [2, 'n'], dimensions: { n: 1 } })
    expect(ops).toEqual(['Neg', 'Add'])
  })

  it('1 / x and 0 − x', async () => {
    expect((await fused((g, x) => g.op('Div', [g.constant(1), x]))).ops).toEqual(['Neg', 'Div'])
    expect((await fused((g, x) => g.op('Sub', [g.constant(0), x]))).ops).toEqual(['Neg', 'Sub'])
    expect((await fused((g, x) => g.op('Pow', [g.constant(1), x]))).ops).toEqual(['Neg', 'Pow'])
  })

  it('other numbers, and a tensor in which one element is another', async () => {
    expect((await fused((g, x) => g.op('Mul', [x, 0]))).ops).toEqual(['Neg', 'Mul'])
    const almost = Tensor.fromNumbers('float32', [3], [1, 1, 1 + 2 ** -23])
    expect((await fused((g, x) => g.op('Mul', [x, almost]))).ops).toEqual(['Neg', 'Mul'])
  })

  it('a default that a caller may override', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const one = g.input('one', 'float32', [])
        g.graph.setDefault(one, filled([], 1))
        g.output('y', g.op('Mul', [g.op('Neg', [g.input('x', 'float32', [2])]), one]))
      },
      { only },
    )
    expect(ops).toEqual(['Neg', 'Mul'])
  })

  it('operators before opset 7, which broadcast in their own way and no runtime runs', () => {
    const model = buildModel(
      (g) => g.output('y', g.op('Mul', [g.op('Neg', [g.input('x', 'float32', [2, 3])]), filled([2, 3], 1)])),
      { opset: 6 },
    )
    expect(operators(fuse(model, { only }).model)).toEqual(['Neg', 'Mul'])
  })
})

it('computes the same, whatever the shapes', async () => {
  const dims = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 })
  const operator = fc.constantFrom(['Mul', 1] as const, ['Div', 1] as const, ['Add', 0] as const, ['Sub', 0] as const)
  await fc.assert(
    fc.asyncProperty(dims, dims, operator, async (shape, constant, [op, number]) => {
      const offset = shape.length - constant.length
      const broadcasts = constant.every((dim, axis) => dim === 1 || [undefined, 1, dim].includes(shape[axis + offset]))
      fc.pre(broadcasts)
      const within = offset >= 0 && constant.every((dim, axis) => dim === 1 || shape[axis + offset] === dim)
      const { ops } = await fused((g, x) => g.op(op, [x, filled(constant, number)]), { shape })
      expect(ops).toEqual(within ? ['Neg'] : ['Neg', op])
    }),
    { numRuns: 40 },
  )
})
