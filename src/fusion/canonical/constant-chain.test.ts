import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  type BuildOptions,
  buildModel,
  type ElementType,
  type GraphBuilder,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['constant-chain']
const random = new Random(9)

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  {
    type = 'float32',
    shape = [2, 3],
    ...options
  }: CompareOptions & BuildOptions & { type?: ElementType; shape?: number[] } = {},
): Promise<Fused> => fuseGraph((g) => g.output('y', build(g, g.input('x', type, shape))), { only, ...options })

describe('constant-chain', () => {
  it.each<[string, string, (g: GraphBuilder, x: Value) => Value]>([
    ['products', 'Mul', (g, x) => g.op('Mul', [g.constant(3), g.op('Mul', [x, 0.5])])],
    ['(x + 1) + 2', 'Add', (g, x) => g.op('Add', [g.op('Add', [x, 1]), 2])],
    ['(x − 1) + 3', 'Add', (g, x) => g.op('Add', [g.op('Sub', [x, 1]), 3])],
    ['(x + 1) − 3', 'Add', (g, x) => g.op('Sub', [g.op('Add', [x, 1]), 3])],
    ['(1 − x) + 2', 'Sub', (g, x) => g.op('Add', [g.op('Sub', [g.constant(1), x]), 2])],
    ['2 − (x + 5)', 'Sub', (g, x) => g.op('Sub', [g.constant(2), g.op('Add', [x, 5])])],
    ['2 − (5 − x)', 'Add', (g, x) => g.op('Sub', [g.constant(2), g.op('Sub', [g.constant(5), x])])],
    ['2 − (x − 5)', 'Sub', (g, x) => g.op('Sub', [g.constant(2), g.op('Sub', [x, 5])])],
    ['four in a row', 'Mul', (g, x) => [2, 3, 0.5, 7].reduce((value, c) => g.op('Mul', [value, c]), x)],
  ])('merges %s', async (_, op, build) => {
    expect((await fused(build)).ops).toEqual([op])
  })

  it('broadcasts one constant to the other', async () => {
    for (const [a, b] of [
      [[3], []],
      [
        [1, 1],
        [2, 3],
      ],
      [[2, 3], [3]],
      [[2, 1], [1]],
      [
        [1, 2, 3],
        [2, 1],
      ],
    ]) {
      const { ops } = await fused((g, x) =>
        g.op('Add', [
          g.op('Add', [x, random.tensor(a ?? [], 'float32', [1, 2])]),
          random.tensor(b ?? [], 'float32', [1, 2]),
        ]),
      )
      expect(ops).toEqual(['Add'])
    }
  })

  it('merges whole numbers, those that cancel included', async () => {
    const c = (number: number): Tensor => Tensor.fromNumbers('int64', [1], [number])
    const options = { type: 'int64' as const, feeds: { x: random.tensor([2, 3], 'int64', [-9, 9]) } }
    expect((await fused((g, x) => g.op('Sub', [g.op('Add', [x, c(7)]), c(7)]), options)).ops).toEqual(['Add'])
    expect((await fused((g, x) => g.op('Mul', [g.op('Mul', [x, c(7)]), c(-2)]), options)).ops).toEqual(['Mul'])
  })
})

describe('constant-chain leaves alone', () => {
  it.each<[string, RegExp, (g: GraphBuilder, x: Value) => Value]>([
    [
      'what rounds by a large number',
      /the constants cancel each other/,
      (g, x) => g.op('Sub', [g.op('Add', [x, 12582912]), 12582912]),
    ],
    ['what nearly cancels', /the constants cancel each other/, (g, x) => g.op('Add', [g.op('Sub', [x, 1000]), 1001])],
    ['a product out of range', /out of range/, (g, x) => g.op('Mul', [g.op('Mul', [x, 1e-30]), 1e-30])],
    [
      'a product of constants larger than both',
      /larger than both/,
      (g, x) => g.op('Mul', [g.op('Mul', [x, random.tensor([3])]), random.tensor([2, 1])]),
    ],
    ['a result with other users', /is an output/, (g, x) => g.op('Mul', [g.output('first', g.op('Mul', [x, 2])), 3])],
  ])('%s', async (_, reason, build) => {
    const { ops, reasons } = await fused(build)
    expect(ops).toHaveLength(2)
    expect(reasons[0]).toMatch(reason)
  })

  it('large constants with other users', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const [x, large] = [g.input('x', 'float32', [5000]), g.constant(random.tensor([5000]))]
        g.output('y', g.op('Mul', [g.op('Mul', [x, large]), 2]))
        g.output('z', g.op('Add', [x, large]))
      },
      { only },
    )
    expect(ops).toEqual(['Mul', 'Mul', 'Add'])
    expect(reasons[0]).toMatch(/has other users and is large/)
  })

  it('an operator of another domain that has the same name', () => {
    const model = buildModel(
      (g) => {
        const inner = g.op('Mul', [g.input('x', 'float32', [2]), 2], {}, { domain: 'my.ops' })
        g.output('y', g.op('Mul', [inner, 3]))
      },
      { opsets: { 'my.ops': 20 } },
    )
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('a product in a sum', async () => {
    expect((await fused((g, x) => g.op('Add', [g.op('Mul', [x, 2]), 3]))).ops).toEqual(['Mul', 'Add'])
  })
})

it('computes the same for random chains and shapes', async () => {
  const step = fc.record({
    op: fc.constantFrom('Add', 'Sub', 'Mul'),
    dims: fc.array(fc.boolean(), { maxLength: 3 }),
    onLeft: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 5 }), async (steps) => {
      await fused(
        (g, x) =>
          steps.reduce((value, { op, dims, onLeft }) => {
            const sizes = [2, 3, 4].slice(3 - dims.length)
            const constant = random.tensor(
              dims.map((full, axis) => (full ? (sizes[axis] ?? 1) : 1)),
              'float32',
              [0.5, 2],
            )
            return g.op(op, onLeft ? [constant, value] : [value, constant])
          }, x),
        { shape: [2, 1, 4] },
      )
    }),
    { numRuns: 60 },
  )
})
