import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['redundant-relu']
const relu = (g: GraphBuilder, name: string): Value => g.op('Relu', [g.input(name, 'float32', [2, 3])])

it.each([9, 13, 17])('drops the Relu over the sum of two (opset %i)', async (opset) => {
  const { ops } = await fuseGraph((g) => g.output('y', g.op('Relu', [g.op('Add', [relu(g, 'a'), relu(g, 'b')])])), {
    only,
    opset,
  })
  expect(ops).toEqual(['Relu', 'Relu', 'Add'])
})

it('sees through what joins and rearranges, and constants that are not below 0', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const joined = g.op('Concat', [relu(g, 'a'), g.op('Add', [relu(g, 'b'), g.constant([0, 1, 2])])], { axis: 1 })
      const turned = g.op('Transpose', [g.op('Reshape', [joined, int64([2, 2, 3])])])
      g.output('y', g.op('Relu', [g.op('Max', [turned, g.op('Gather', [turned, int64([1, 0])], { axis: 1 })])]))
    },
    { only },
  )
  expect(ops.filter((op) => op === 'Relu')).toHaveLength(2)
})

it('drops the last Relus of a chain of residual blocks', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      let x = relu(g, 'x')
      for (let block = 0; block < 3; block++) {
        x = g.op('Relu', [g.op('Sum', [x, g.op('Relu', [g.op('Neg', [x])])])])
      }
      g.output('y', x)
    },
    { only },
  )
  expect(ops).toEqual(['Relu', 'Neg', 'Relu', 'Sum', 'Neg', 'Relu', 'Sum', 'Neg', 'Relu', 'Sum'])
})

it.each<[string, (g: GraphBuilder, a: Value, b: Value) => Value]>([
  ['a number below 0', (g, a) => g.op('Add', [a, g.constant([-1, 0, 1])])],
  ['a difference', (g, a, b) => g.op('Sub', [a, b])],
  ['an input', (g, a) => g.op('Add', [a, g.input('x', 'float32', [3])])],
  ['a product, which may be NaN', (g, a, b) => g.op('Mul', [a, b])],
  ['a pool of nothing', (g, a) => g.op('GlobalMaxPool', [g.op('Reshape', [a, int64([1, 2, 3])])])],
])('keeps the Relu over %s', async (_what, between) => {
  const { ops } = await fuseGraph((g) => g.output('y', g.op('Relu', [between(g, relu(g, 'a'), relu(g, 'b'))])), {
    only,
  })
  expect(ops.at(-1)).toBe('Relu')
})

it('keeps the Relu over a sum of whole numbers, which may wrap around', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const [a, b] = ['a', 'b'].map((name) => g.op('Relu', [g.input(name, 'int32', [3])]))
      g.output('y', g.op('Relu', [g.op('Add', [a, b])]))
    },
    { only, opset: 14 },
  )
  expect(ops).toEqual(['Relu', 'Relu', 'Add', 'Relu'])
})

it('looks only so far', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      let x = relu(g, 'x')
      for (let step = 0; step < 20; step++) x = g.op('Add', [x, g.constant(step)])
      g.output('y', g.op('Relu', [x]))
    },
    { only },
  )
  expect(ops.at(-1)).toBe('Relu')
})

testDrawn(
  'redundant-relu',
  fc.record({
    shape: shapes({ min: 1 }),
    type: fc.constantFrom('float32', 'float16'),
    operators: fc.array(fc.constantFrom('Add', 'Max', 'Min', 'Sum'), { minLength: 1, maxLength: 4 }),
    opset: fc.constantFrom(13, 17, 21),
  }),
  ({ shape, type, operators, opset }) => ({
    build: (g) => {
      const input = (index: number): Value => g.op('Relu', [g.input(`x${index}`, type, shape)])
      g.output('y', g.op('Relu', [operators.reduce((sum, op, index) => g.op(op, [sum, input(index + 1)]), input(0))]))
    },
    opset,
    fires: 1,
  }),
)
