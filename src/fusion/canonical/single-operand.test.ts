import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'

const only = ['single-operand']

it.each([
  ['Concat', { axis: 1 }],
  ['Concat', { axis: -1 }],
  ['Sum', {}],
  ['Mean', {}],
  ['Max', {}],
  ['Min', {}],
  ['Split', { axis: 1 }],
] as const)('%s of one operand is that operand (%o)', async (op, attributes) => {
  const { ops } = await fuseGraph(
    (g) => g.output('y', g.op(op, [g.op('Relu', [g.input('x', 'float32', [2, 3])])], attributes)),
    { only },
  )
  expect(ops).toEqual(['Relu'])
})

it('keeps what has two operands, or two parts', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const x = g.op('Relu', [g.input('x', 'float32', [2, 4])])
      g.output('sum', g.op('Sum', [x, x]))
      const [left] = g.node('Split', [x], { axis: 1 }, { outputs: 2 }).outputs
      if (left !== undefined) g.output('left', left)
    },
    { only },
  )
  expect(ops).toEqual(['Relu', 'Sum', 'Split'])
})

testDrawn(
  'single-operand',
  fc.record({
    op: fc.constantFrom('Concat', 'Sum', 'Mean', 'Max', 'Min', 'Split'),
    shape: shapes(),
    place: fc.nat({ max: 2 }),
    fromTheEnd: fc.boolean(),
    count: fc.constantFrom(1, 1, 2),
    opset: fc.constantFrom(8, 11, 13, 17),
  }),
  ({ op, shape, place, fromTheEnd, count, opset }) => ({
    build: (g) => {
      const axis = place % shape.length
      const sizes = shape.map((size, index) => (op === 'Split' && index === axis ? size * count : size))
      const x = g.op('Neg', [g.input('x', 'float32', sizes)])
      const attributes = ['Concat', 'Split'].includes(op)
        ? { axis: fromTheEnd && opset > 9 ? axis - shape.length : axis }
        : {}
      const inputs = op === 'Split' ? [x] : Array.from({ length: count }, () => x)
      const { outputs } = g.node(op, inputs, attributes, { outputs: op === 'Split' ? count : 1 })
      for (const [index, output] of outputs.entries()) if (output !== undefined) g.output(`y${index}`, output)
    },
    opset,
    fires: count === 1,
  }),
)
