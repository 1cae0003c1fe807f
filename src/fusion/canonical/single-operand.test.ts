import { expect, it } from 'vitest'
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
