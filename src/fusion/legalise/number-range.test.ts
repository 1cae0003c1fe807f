import { expect, it } from 'vitest'
import { buildModel, type GraphBuilder, type Operand, Tensor } from '../../graph/index.ts'
import { inferredContext } from '../context.ts'
import { rangeOf } from './number-range.ts'

const infinity = Number.NEGATIVE_INFINITY
const lowest = -3.4028234663852886e38

/** low, high, and whether −∞ is among the numbers that an operator may give; undefined where NaN or +∞ may be. */
function range(build: (g: GraphBuilder) => Operand): [number, number, boolean] | undefined {
  const model = buildModel((g) => g.output('y', g.op('Identity', [build(g)])), { opset: 17 })
  const [y] = model.graph.outputs
  const found = rangeOf(y, inferredContext(model))
  return found && [found.low, found.high, found.hasNegativeInfinity]
}

const flag = (g: GraphBuilder) => g.op('Cast', [g.input('flag', 'bool', [4])], { to: 1 })
const product = (g: GraphBuilder) => g.op('MatMul', [g.input('a', 'float32', [4, 4]), g.input('b', 'float32', [4, 4])])

it.each<[string, (g: GraphBuilder) => Operand, [number, number, boolean] | undefined]>([
  ['a constant', () => [1, -2, infinity], [-2, 1, true]],
  ['a constant with +∞', () => [1, Number.POSITIVE_INFINITY], undefined],
  ['what a caller gives', (g) => g.input('x', 'float32', [4]), undefined],
  ['a condition as numbers', flag, [0, 1, false]],
  ['one of two', (g) => g.op('Where', [g.input('flag', 'bool', [4]), -7, infinity]), [-7, -7, true]],
  ['a mask of 1 − m, times a number', (g) => g.op('Mul', [g.op('Sub', [1, flag(g)]), -1e4]), [-1e4, 0, false]],
  ['a mask of 1 − m, times −∞', (g) => g.op('Mul', [g.op('Sub', [1, flag(g)]), infinity]), undefined],
  ['−∞ times what is positive', (g) => g.op('Mul', [g.op('Add', [flag(g), 1]), infinity]), [Infinity, infinity, true]],
  ['−∞ taken away', (g) => g.op('Sub', [1, g.constant(infinity)]), undefined],
  ['twice the lowest number', (g) => g.op('Add', [g.constant(lowest), g.constant(lowest)]), [lowest, 2 * lowest, true]],
  ['−∞ and 0', (g) => g.op('Max', [g.constant([infinity, -3]), g.constant(-1)]), [-1, -1, false]],
  ['the upper part', (g) => g.op('Trilu', [g.constant([infinity], { dims: [1, 1] })]), [0, 0, true]],
  ['joined', (g) => g.op('Concat', [flag(g), g.constant([4])], { axis: 0 }), [0, 4, false]],
  ['divided', (g) => g.op('Div', [flag(g), -2]), [-0.5, 0, false]],
  ['divided by 0', (g) => g.op('Div', [flag(g), g.constant(0)]), undefined],
  ['made up', (g) => g.op('ConstantOfShape', [Tensor.fromNumbers('int64', [1], [2])]), [0, 0, false]],
  ['no less than 0', (g) => g.op('Relu', [g.op('Sub', [flag(g), 3])]), [0, 0, false]],
  ['a product', (g) => g.op('Tanh', [product(g)]), [-1, 1, false]],
  ['a product and a mask', (g) => g.op('Add', [product(g), infinity]), [Infinity, infinity, true]],
  ['an integer in float16', (g) => g.op('Cast', [g.input('i', 'int64', [4])], { to: 10 }), undefined],
])('knows the range of %s', (_, build, expected) => {
  expect(range(build)).toEqual(expected)
})
