import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, elementTypes, type GraphBuilder, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['transpose-through-elementwise']
const random = new Random(5)
const toLast = [0, 2, 3, 1]
const toFirst = [0, 3, 1, 2]

const between = (
  build: (g: GraphBuilder, transposed: Value, x: Value) => Value,
  { back = toFirst }: { back?: number[] } = {},
): Promise<Fused> =>
  fuseGraph(
    (g) => {
      const x = g.op('Neg', [g.input('x', 'float32', [2, 3, 4, 5])])
      g.output('y', g.op('Transpose', [build(g, g.op('Transpose', [x], { perm: toLast }), x)], { perm: back }))
    },
    { only },
  )

describe('transpose-through-elementwise cancels around', () => {
  it('functions of one tensor', async () => {
    const { ops } = await between((g, t) => g.op('LeakyRelu', [g.op('Clip', [g.op('Exp', [t]), 0, 3])], { alpha: 0.1 }))
    expect(ops).toEqual(['Neg', 'Exp', 'Clip', 'LeakyRelu'])
  })

  it.each([[[]], [[3]], [[4, 1, 1]], [[1, 5, 3]], [[2, 4, 5, 3]]])('constants of dims %j', async (dims) => {
    const { ops } = await between((g, t) =>
      g.op('Relu', [g.op('Mul', [g.op('Add', [random.tensor(dims), t]), random.tensor(dims)])]),
    )
    expect(ops).toEqual(['Neg', 'Add', 'Mul', 'Relu'])
  })

  it('an operand whose axes of size 1 move alone, as flags of rows do', async () => {
    const { ops, model } = await between((g, t) => {
      const flags = g.op('Cast', [g.op('Greater', [g.input('flags', 'float32', [2, 4, 1, 1]), 0])], { to: 1 })
      return g.op('Mul', [t, flags])
    })
    expect(ops).toEqual(['Neg', 'Greater', 'Cast', 'Transpose', 'Mul'])
    expect([...model.graph.nodes].find(({ op }) => op === 'Transpose')?.ints('perm')).toEqual(toFirst)
  })

  it('a value used twice in between, as in x·sigmoid(x)', async () => {
    const { ops } = await between((g, t) => {
      const sum = g.op('Add', [t, random.tensor([3])])
      return g.op('Mul', [sum, g.op('Sigmoid', [sum])])
    })
    expect(ops).toEqual(['Neg', 'Add', 'Sigmoid', 'Mul'])
  })

  it('several transposed operands, a Concat of them, a Where and a Cast', async () => {
    const { ops } = await between((g, t, x) => {
      const other = g.op('Transpose', [g.op('Exp', [x])], { perm: toLast })
      const both = g.op('Concat', [t, other], { axis: -1 })
      const condition = g.op('Greater', [both, 0])
      return g.op('Cast', [g.op('Where', [condition, both, random.tensor([6])])], { to: elementTypes.float64.code })
    })
    expect(ops).not.toContain('Transpose')
  })

  it('the first transpose stays for its other users', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const t = g.op('Transpose', [g.op('Neg', [g.input('x', 'float32', [2, 3])])], { perm: [1, 0] })
        g.output('t', t)
        g.output('y', g.op('Transpose', [g.op('Relu', [t])], { perm: [1, 0] }))
      },
      { only },
    )
    expect(ops).toEqual(['Neg', 'Transpose', 'Relu'])
  })
})

describe('transpose-through-elementwise leaves alone', () => {
  it('an operand that is not transposed', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const t = g.op('Transpose', [g.input('x', 'float32', [2, 3])], { perm: [1, 0] })
        g.output('y', g.op('Transpose', [g.op('Add', [t, g.input('z', 'float32', [3, 2])])], { perm: [1, 0] }))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Add', 'Transpose'])
    expect(reasons).toEqual(['"z" is not transposed'])
  })

  it('an operand transposed in another way', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const a = g.op('Transpose', [g.input('a', 'float32', [2, 2, 2])], { perm: [1, 2, 0] })
        const b = g.op('Transpose', [g.input('b', 'float32', [2, 2, 2])], { perm: [2, 0, 1] })
        g.output('y', g.op('Transpose', [g.op('Add', [a, b])], { perm: [2, 0, 1] }))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Transpose', 'Add', 'Transpose'])
    expect(reasons[0]).toMatch(/is not undone/)
  })

  it('permutations that do not cancel', async () => {
    expect((await between((g, t) => g.op('Relu', [t]), { back: [0, 2, 3, 1] })).ops).toEqual([
      'Neg',
      'Transpose',
      'Relu',
      'Transpose',
    ])
  })

  it('a reversal of all axes that is not written out', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const t = g.op('Transpose', [g.input('x', 'float32', [2, 3])])
        g.output('y', g.op('Transpose', [g.op('Relu', [t])]))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Relu', 'Transpose'])
  })

  it('a region without a first transpose, about which there is nothing to say', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => g.output('y', g.op('Transpose', [g.op('Relu', [g.input('x', 'float32', [2, 3])])], { perm: [1, 0] })),
      { only },
    )
    expect(ops).toEqual(['Relu', 'Transpose'])
    expect(reasons).toEqual([])
  })

  it('a large constant with other users, and a long way', async () => {
    const shared = await fuseGraph(
      (g) => {
        const [x, large] = [g.input('x', 'float32', [70, 80]), g.constant(random.tensor([80, 70]))]
        const t = g.op('Transpose', [x], { perm: [1, 0] })
        g.output('y', g.op('Transpose', [g.op('Add', [t, large])], { perm: [1, 0] }))
        g.output('z', g.op('MatMul', [x, large]))
      },
      { only },
    )
    expect(shared.ops).toEqual(['Transpose', 'Add', 'Transpose', 'MatMul'])
    expect(shared.reasons).toEqual([expect.stringMatching(/cannot be transposed/)])
    const long = await between((g, t) => Array.from({ length: 40 }).reduce<Value>((value) => g.op('Tanh', [value]), t))
    expect(long.ops).toContain('Transpose')
    const besides = await between((g, t) =>
      g.op('Add', [t, Array.from({ length: 40 }).reduce<Value>((value) => g.op('Tanh', [value]), t)]),
    )
    expect(besides.ops).toContain('Transpose')
    expect(besides.reasons).toEqual(['too many nodes lie between the transposes'])
  })

  it('a constant of a rank that the permutation does not fit, which no runtime takes', () => {
    const model = buildModel((g) => {
      const t = g.op('Transpose', [g.input('x', 'float32', [2, 3])], { perm: [1, 0] })
      g.output('y', g.op('Transpose', [g.op('Add', [t, random.tensor([2, 3, 2])])], { perm: [1, 0] }))
    })
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('a value in between that is used elsewhere', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const relu = g.op('Relu', [g.op('Transpose', [g.input('x', 'float32', [2, 3])], { perm: [1, 0] })])
        g.output('y', g.op('Transpose', [relu], { perm: [1, 0] }))
        g.output('z', g.op('Softmax', [relu]))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Relu', 'Transpose', 'Softmax'])
    expect(reasons[0]).toMatch(/is used outside/)
  })

  it('an operator that knows places, and a constant of higher rank', async () => {
    expect((await between((g, t) => g.op('Softmax', [t]))).ops).toContain('Transpose')
    const { ops } = await fuseGraph(
      (g) => {
        const t = g.op('Transpose', [g.input('x', 'float32', [2, 3])], { perm: [1, 0] })
        g.output('y', g.op('Transpose', [g.op('Add', [t, random.tensor([2, 3, 2])])], { perm: [0, 2, 1] }))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Add', 'Transpose'])
  })
})

it('computes the same for random permutations, constants and functions', async () => {
  const perm = fc.shuffledSubarray([0, 1, 2], { minLength: 3, maxLength: 3 })
  const step = fc.record({
    op: fc.constantFrom('Add', 'Mul', 'Relu', 'Concat', 'Sigmoid'),
    dims: fc.array(fc.boolean(), { maxLength: 3 }),
    onLeft: fc.boolean(),
    axis: fc.integer({ min: -3, max: 2 }),
  })
  await fc.assert(
    fc.asyncProperty(perm, fc.array(step, { minLength: 1, maxLength: 4 }), async (forth, steps) => {
      const back = forth.map((_, axis) => forth.indexOf(axis))
      const { ops } = await fuseGraph(
        (g) => {
          let value = g.op('Transpose', [g.op('Neg', [g.input('x', 'float32', [2, 3, 4])])], { perm: forth })
          const sizes = forth.map((axis) => [2, 3, 4][axis] ?? 1)
          for (const { op, dims, onLeft, axis } of steps) {
            const constant = random.tensor(dims.map((full, i) => (full ? (sizes[i + 3 - dims.length] ?? 1) : 1)))
            const operands = onLeft ? [constant, value] : [value, constant]
            if (op === 'Concat') {
              value = g.op(op, [value, value], { axis })
              const place = axis < 0 ? axis + 3 : axis
              sizes[place] = 2 * (sizes[place] ?? 1)
            } else value = g.op(op, op === 'Add' || op === 'Mul' ? operands : [value])
          }
          g.output('y', g.op('Transpose', [value], { perm: back }))
        },
        { only, seed: 3 },
      )
      expect(ops).not.toContain('Transpose')
    }),
    { numRuns: 40 },
  )
})

it('computes the same for operands that are stretched along some axes', async () => {
  const perm = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 })
  const stretched = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(perm, stretched, async (forth, full) => {
      const back = forth.map((_, axis) => forth.indexOf(axis))
      const sizes = forth.map((axis) => axis + 2)
      const dims = sizes.map((size, axis) => (full[axis] ? size : 1))
      const { ops } = await fuseGraph(
        (g) => {
          const t = g.op('Transpose', [g.op('Neg', [g.input('x', 'float32', [2, 3, 4, 5])])], { perm: forth })
          const product = g.op('Mul', [t, g.op('Abs', [g.input('s', 'float32', dims)])])
          g.output('y', g.op('Transpose', [product], { perm: back }))
        },
        { only, seed: 3 },
      )
      expect(ops.filter((op) => op === 'Transpose').length).toBeLessThanOrEqual(2)
    }),
    { numRuns: 40 },
  )
})
