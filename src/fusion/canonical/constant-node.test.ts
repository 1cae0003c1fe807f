import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { elementCount, type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

/** Beside something that is an improvement: an initializer in place of a Constant alone is none. */
const only = ['constant-node', 'identity']

const plus =
  (attributes: Record<string, Tensor | number | readonly number[]>, type: 'float32' | 'int64' = 'float32') =>
  (g: GraphBuilder): void => {
    const x = g.op('Identity', [g.input('x', type, [2, 3])])
    g.output('y', g.op('Add', [x, constant(g, attributes)]))
  }

/** Attributes that hold a tensor are given as such; the builder takes numbers alone. */
function constant(g: GraphBuilder, attributes: Record<string, Tensor | number | readonly number[]>): Value {
  const node = g.node('Constant', [])
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  return node.output
}

const feeds = { x: new Random(1).tensor([2, 3], 'int64', [-9, 9]) }

describe('constant-node makes an initializer of', () => {
  it.each<[string, Record<string, Tensor | number | readonly number[]>, number]>([
    ['a tensor, opset 7', { value: new Random(2).tensor([2, 1]) }, 7],
    ['a tensor', { value: new Random(2).tensor([3]) }, 17],
    ['a float', { value_float: 2.5 }, 12],
    ['floats', { value_floats: [1, 2.5, -3] }, 13],
  ])('%s', async (_, attributes, opset) => {
    const { ops } = await fuseGraph(plus(attributes), { only, opset })
    expect(ops).toEqual(['Add'])
  })

  it.each<[string, Record<string, number | readonly number[]>]>([
    ['a whole number', { value_int: -7 }],
    ['whole numbers', { value_ints: [1, 2, 3] }],
  ])('%s', async (_, attributes) => {
    const { ops, model } = await fuseGraph(plus(attributes, 'int64'), { only, feeds })
    expect(ops).toEqual(['Add'])
    expect(findNode(model, 'Add').inputs[1]?.elementType).toBe('int64')
  })

  it('what a nested graph holds', async () => {
    const { model } = await fuseGraph(
      (g) => {
        const x = g.op('Identity', [g.input('x', 'float32', [1])])
        const branch = (number: number) =>
          g.subgraph((inner) =>
            inner.output(`y${number}`, inner.op('Mul', [x, constant(inner, { value_float: number })])),
          )
        const condition = g.op('Greater', [x, 0])
        g.output('y', g.op('If', [condition], { then_branch: branch(2), else_branch: branch(3) }))
      },
      { only },
    )
    expect([...model.graph.walk()].map(({ op }) => op)).toEqual(['Greater', 'If', 'Mul', 'Mul'])
  })
})

describe('constant-node leaves', () => {
  it('a constant that is an output', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        g.output('c', constant(g, { value_float: 2 }))
        g.output('y', g.op('Relu', [g.op('Identity', [g.input('x', 'float32', [2])])]))
      },
      { only },
    )
    expect(ops).toEqual(['Constant', 'Relu'])
  })

  it('a model as it is that it alone would change', async () => {
    const { bytes, report } = await fuseGraph(
      (g) => g.output('y', g.op('Add', [g.input('x', 'float32', [2]), constant(g, { value_float: 1 })])),
      { only },
    )
    expect(bytes.after).toBe(bytes.before)
    expect(report.fusions).toEqual({})
  })
})

testDrawn(
  'constant-node',
  fc.record({
    shape: shapes(),
    terms: fc.array(
      fc.record({
        op: fc.constantFrom('Add', 'Mul', 'Sub'),
        form: fc.constantFrom('value', 'value_float', 'value_floats', 'initializer'),
        number: fc.integer({ min: -5, max: 5 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    opset: fc.constantFrom(12, 13, 17),
  }),
  ({ shape, terms, opset }) => ({
    build: (g) => {
      const operandOf = (form: string, number: number): Operand => {
        if (form === 'initializer') return number
        if (form === 'value_float') return constant(g, { value_float: number })
        if (form === 'value_floats')
          return constant(g, { value_floats: new Array<number>(shape.at(-1) ?? 1).fill(number) })
        const numbers = Array.from({ length: elementCount(shape) }, (_, index) => number + index)
        return constant(g, { value: Tensor.fromNumbers('float32', shape, numbers) })
      }
      const x = g.op('Identity', [g.input('x', 'float32', shape)])
      g.output(
        'y',
        terms.reduce((value, { op, form, number }) => g.op(op, [value, operandOf(form, number)]), x),
      )
    },
    opset,
    fires: terms.filter(({ form }) => form !== 'initializer').length,
  }),
  { also: ['identity'] },
)
