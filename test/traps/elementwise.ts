import { type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'
import { spellMean, spellRms, spellStandardised } from '../support/spell-norm.ts'
import { special, type Trap } from './trap.ts'

const row = (g: GraphBuilder): Value => g.input('x', 'float32', [8])
const sequence = (g: GraphBuilder): Value => g.input('x', 'float32', [2, 6, 8])
const f =
  (input: (g: GraphBuilder) => Value, formula: (g: GraphBuilder, x: Value) => Value) =>
  (g: GraphBuilder): void => {
    g.output('y', formula(g, input(g)))
  }
const feeds = { x: special }
const integer = (value: number, type: 'int32' | 'int64' = 'int32'): Tensor => Tensor.fromNumbers(type, [], [value])

/** Bounds, special numbers, activations and normalisations. */
export const elementwise: readonly Trap[] = [
  {
    name: 'bounds apart from one another',
    build: f(row, (g, x) => g.op('Clip', [g.op('Clip', [x, 0, 1]), 2, 3])),
    feeds,
  },
  {
    name: 'bounds apart, the other way',
    build: f(row, (g, x) => g.op('Clip', [g.op('Clip', [x, 2, 3]), 0, 1])),
    feeds,
  },
  { name: 'a lower bound above the upper', build: f(row, (g, x) => g.op('Clip', [g.op('Relu', [x]), 3, -3])), feeds },
  { name: 'Max of Min whose bounds cross', build: f(row, (g, x) => g.op('Max', [g.op('Min', [x, -2]), 2])), feeds },
  { name: 'Min of Max whose bounds cross', build: f(row, (g, x) => g.op('Min', [g.op('Max', [x, 2]), -2])), feeds },
  { name: 'Relu of what has no bound', build: f(row, (g, x) => g.op('Clip', [g.op('Relu', [x])])), feeds },
  { name: 'Relu before bounds below zero', build: f(row, (g, x) => g.op('Clip', [g.op('Relu', [x]), -3, -1])), feeds },
  { name: 'NaN through Relu and Clip', build: f(row, (g, x) => g.op('Clip', [g.op('Relu', [x]), 0, 6])), feeds },
  { name: 'NaN through Max and Min', build: f(row, (g, x) => g.op('Min', [g.op('Max', [x, -1]), 1])), feeds },
  { name: 'zero times ∞ is not zero', build: f(row, (g, x) => g.op('Mul', [x, 0])), left: ['Mul'], feeds },
  { name: 'a division by zero', build: f(row, (g, x) => g.op('Div', [x, 0])), feeds },
  {
    name: 'a division by a number too small for its reciprocal',
    build: f(row, (g, x) => g.op('Div', [x, 1e-40])),
    left: ['Div'],
    feeds: { x: Tensor.fromNumbers('float32', [8], [0, 1e-40, -1e-39, 3e-38, 1, -1, 1e-45, 5e-40]) },
  },
  {
    name: 'factors whose product leaves float32',
    build: f(row, (g, x) => g.op('Mul', [g.op('Mul', [x, 1e30]), 1e30])),
  },
  {
    name: 'the square of an integer',
    build: (g) => g.output('y', g.op('Pow', [g.input('x', 'int32', [8]), integer(2)])),
  },
  {
    name: 'the root of negative numbers',
    build: f(row, (g, x) => g.op('Pow', [x, 0.5])),
    feeds: { x: Tensor.fromNumbers('float32', [8], [-1, -0, 0, 1, 4, Infinity, Number.NaN, -7]) },
  },
  { name: 'a factor 1 of higher rank', build: f(row, (g, x) => g.op('Tanh', [g.op('Mul', [x, [1]])])), left: ['Tanh'] },
  {
    name: 'factors 1 that raise the rank',
    build: f(row, (g, x) => g.op('Mul', [x, Tensor.fromNumbers('float32', [1, 1], [1])])),
  },
  {
    name: 'zeros that stretch',
    build: f(row, (g, x) => g.op('Add', [x, Tensor.fromNumbers('float32', [3, 1], [0, 0, 0])])),
  },
  {
    name: 'float → int → float loses digits',
    build: f(row, (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 6 })], { to: 1 })),
    left: ['Cast', 'Cast'],
  },
  {
    name: 'float → float16 → float loses digits',
    build: f(row, (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 10 })], { to: 1 })),
    left: ['Cast', 'Cast'],
  },
  {
    name: 'int64 → int32 → int64 loses range',
    build: (g) => g.output('y', g.op('Cast', [g.op('Cast', [g.input('x', 'int64', [2])], { to: 6 })], { to: 7 })),
    left: ['Cast', 'Cast'],
    feeds: { x: Tensor.fromNumbers('int64', [2], [2 ** 40 + 5, -1]) },
  },
  {
    name: 'a number → bool → a number is 0 or 1',
    build: f(row, (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 9 })], { to: 1 })),
  },
  {
    name: 'a sigmoid of something else is no SiLU',
    build: f(row, (g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Neg', [x])])])),
  },
  {
    name: 'GELU with another constant',
    build: f(row, (g, x) =>
      g.op('Mul', [g.op('Mul', [x, g.op('Add', [g.op('Erf', [g.op('Div', [x, 1.5])]), 1])]), 0.5]),
    ),
    left: ['Div', 'Erf', 'Add', 'Mul', 'Mul'],
  },
  {
    name: 'GELU of one value with the gate of another',
    build: (g) => {
      const [x, z] = [row(g), g.input('z', 'float32', [8])]
      const gate = g.op('Add', [g.op('Erf', [g.op('Div', [z, Math.SQRT2])]), 1])
      g.output('y', g.op('Mul', [g.op('Mul', [x, gate]), 0.5]))
    },
    left: ['Div', 'Erf', 'Add', 'Mul', 'Mul'],
  },
  {
    name: 'a layer norm with the fourth power',
    build: f(sequence, (g, x) => spellStandardised(g, x, { exponent: 4 })),
    left: ['ReduceMean', 'Sub', 'Pow', 'Reshape', 'ReduceMean', 'Add', 'Sqrt', 'Div'],
  },
  {
    name: 'a layer norm with the fourth power, a scale and a bias',
    build: (g, w) => {
      const normalised = spellStandardised(g, sequence(g), { exponent: 4 })
      g.output('y', g.op('Add', [g.op('Mul', [normalised, w.positive(8)]), w.normal(8)]))
    },
  },
  {
    name: 'a layer norm with ε outside the root',
    build: f(sequence, (g, x) => {
      const centred = g.op('Sub', [x, spellMean(g, x, [-1])])
      const deviation = g.op('Sqrt', [spellMean(g, g.op('Mul', [centred, centred]), [-1])])
      return g.op('Div', [centred, g.op('Add', [deviation, 1e-5])])
    }),
    left: ['ReduceMean', 'Sub', 'Mul', 'ReduceMean', 'Sqrt', 'Add', 'Div'],
  },
  {
    name: 'a layer norm whose means are over other axes',
    build: f(sequence, (g, x) => spellStandardised(g, x, { varianceAxes: [1] })),
    left: ['ReduceMean', 'Sub', 'Pow', 'ReduceMean', 'Add', 'Sqrt', 'Div'],
  },
  {
    name: 'a layer norm whose means drop the axis',
    build: f(
      (g) => g.input('x', 'float32', [8, 8]),
      (g, x) => spellStandardised(g, x, { keepdims: 0 }),
    ),
    left: ['ReduceMean', 'Sub', 'Pow', 'ReduceMean', 'Add', 'Sqrt', 'Div'],
  },
  {
    name: 'a layer norm whose scale has more axes than it has',
    build: (g, w) => g.output('y', g.op('Mul', [spellStandardised(g, sequence(g)), w.normal(3, 1, 1, 8)])),
    left: ['LayerNormalization', 'Mul'],
  },
  {
    name: 'a root mean square over the middle axis',
    build: (g, w) => g.output('y', g.op('Mul', [spellRms(g, sequence(g), { axes: [1] }), w.normal(6, 1)])),
  },
  {
    name: 'a residual before a layer norm over two axes',
    build: (g, w) => {
      const sum = g.op('Add', [sequence(g), g.input('z', 'float32', [2, 6, 8])])
      g.output('y', g.op('LayerNormalization', [sum, w.normal(6, 8), w.normal(6, 8)], { axis: 1 }))
    },
    left: ['Add', 'LayerNormalization'],
  },
  {
    name: 'a residual before a layer norm whose deviation is an output',
    build: (g, w) => {
      const sum = g.op('Add', [sequence(g), g.input('z', 'float32', [2, 6, 8])])
      const norm = g.node(
        'LayerNormalization',
        [sum, w.normal(8), w.normal(8)],
        {},
        { outputs: ['y', 'mean', 'inverse'] },
      )
      for (const [index, name] of ['y', 'mean', 'inverse'].entries()) g.output(name, norm.outputs[index] as Value)
    },
    left: ['Add', 'LayerNormalization'],
  },
  {
    name: 'a mean over the height alone',
    build: f(
      (g) => g.input('x', 'float32', [2, 3, 4, 4]),
      (g, x) => spellMean(g, x, [2]),
    ),
    left: ['ReduceMean'],
  },
  {
    name: 'a mean over the image that drops the axes',
    build: f(
      (g) => g.input('x', 'float32', [2, 3, 4, 4]),
      (g, x) => spellMean(g, x, [-1, -2], 0),
    ),
  },
  {
    name: 'a Softmax over the middle axis behind a sum',
    build: f(sequence, (g, x) => g.op('Softmax', [g.op('Add', [x, x])], { axis: 1 })),
  },
  {
    name: 'attention where nothing may be looked at',
    build: (g) => {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => g.input(name, 'float32', [1, 2, 3, 4])) as [Value, Value, Value]
      const scores = g.op('MatMul', [q, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })])
      const mask = Tensor.fromNumbers('float32', [1, 1, 3, 3], [0, 0, -3.4e38, -3.4e38, -3.4e38, -3.4e38, 0, 0, 0])
      const attended = g.op('MatMul', [g.op('Softmax', [g.op('Add', [g.op('Mul', [scores, 0.5]), mask])]), v])
      g.output('y', g.op('Reshape', [g.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), int64([1, 3, 8])]))
    },
  },
]
