import { type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'
import type { Trap } from './trap.ts'

const cube = (g: GraphBuilder): Value => g.op('Tanh', [g.input('x', 'float32', [2, 3, 4])])
const f =
  (formula: (g: GraphBuilder, x: Value) => Value) =>
  (g: GraphBuilder): void => {
    g.output('y', g.op('Relu', [formula(g, cube(g))]))
  }
const reshape = (g: GraphBuilder, x: Value, shape: number[], allowzero = 0): Value =>
  g.op('Reshape', [x, int64(shape)], { allowzero })
const transpose = (g: GraphBuilder, x: Value, perm: number[]): Value => g.op('Transpose', [x], { perm })
const slice = (g: GraphBuilder, x: Value, start: number, end: number, axis: number, step = 1): Value =>
  g.op('Slice', [x, int64([start]), int64([end]), int64([axis]), int64([step])])

/** Views, copies, control flow, randomness. */
export const moving: readonly Trap[] = [
  {
    name: 'a 0 in a shape copies from its own input',
    build: f((g, x) => reshape(g, reshape(g, x, [3, 2, 4]), [0, -1])),
    left: ['Tanh', 'Reshape', 'Relu'],
  },
  {
    name: 'a 0 and a −1 in both shapes',
    build: f((g, x) => reshape(g, reshape(g, x, [4, -1, 0].toReversed()), [0, 0, -1])),
  },
  {
    name: 'a 0 that is a size',
    build: (g) =>
      g.output('y', reshape(g, reshape(g, g.op('Tanh', [g.input('x', 'float32', [0, 3])]), [3, 0], 1), [0, 5], 1)),
  },
  {
    name: 'transposes that do not undo one another',
    build: f((g, x) => transpose(g, transpose(g, x, [1, 2, 0]), [1, 2, 0])),
    left: ['Tanh', 'Transpose', 'Relu'],
  },
  {
    name: 'a Transpose without perm turns all axes round',
    build: f((g, x) => g.op('Transpose', [transpose(g, x, [0, 2, 1])])),
    left: ['Tanh', 'Transpose', 'Relu'],
  },
  {
    name: 'transposes around a Softmax, whose axis they move',
    build: f((g, x) => transpose(g, g.op('Softmax', [transpose(g, x, [0, 2, 1])], { axis: -1 }), [0, 2, 1])),
  },
  {
    name: 'transposes around a sum with a row',
    build: (g, w) => {
      const sum = g.op('Add', [transpose(g, cube(g), [0, 2, 1]), w.normal(3)])
      g.output('y', g.op('Relu', [transpose(g, sum, [0, 2, 1])]))
    },
  },
  {
    name: 'axes of two Unsqueezes count in different ranks',
    build: f((g, x) => g.op('Unsqueeze', [g.op('Unsqueeze', [x, int64([0])]), int64([1, -1])])),
  },
  {
    name: 'a Squeeze of other axes than were unsqueezed',
    build: f((g, x) => g.op('Squeeze', [g.op('Unsqueeze', [x, int64([0, 2])]), int64([0])])),
  },
  {
    name: 'a Squeeze without axes takes every 1',
    build: (g) => g.output('y', g.op('Squeeze', [g.op('Tanh', [g.input('x', 'float32', [1, 3, 1, 4])])])),
  },
  {
    name: 'a Slice that ends before the end',
    build: f((g, x) => slice(g, x, 0, -1, 2)),
    left: ['Tanh', 'Slice', 'Relu'],
  },
  {
    name: 'a Slice that runs backwards',
    build: f((g, x) => slice(g, x, -1, -(2 ** 53), 1, -1)),
    left: ['Tanh', 'Slice', 'Relu'],
  },
  {
    name: 'a Slice of a Slice, each from the end',
    build: f((g, x) => slice(g, slice(g, x, -3, 2 ** 31 - 1, 2), -2, -1, 2)),
  },
  {
    name: 'a Slice of every second of every second',
    build: f((g, x) => slice(g, slice(g, x, 0, 9, 2, 2), 1, 9, 2, 2)),
  },
  { name: 'an Expand that raises the rank', build: f((g, x) => g.op('Expand', [x, int64([1, 1, 1, 1])])) },
  {
    name: 'a Concat along another axis than its parts',
    build: f((g, x) =>
      g.op('Concat', [g.op('Concat', [x, x], { axis: 1 }), g.op('Concat', [x, x], { axis: 1 })], { axis: 2 }),
    ),
  },
  {
    name: 'a Concat of a Split in another order',
    build: f((g, x) => {
      const { outputs } = g.node('Split', [x, int64([1, 3])], { axis: 2 }, { outputs: 2 })
      return g.op('Concat', [outputs[1], outputs[0]], { axis: 2 })
    }),
    left: ['Tanh', 'Split', 'Concat', 'Relu'],
  },
  {
    name: 'a Resize by 1 that aligns otherwise',
    build: (g) => {
      const x = g.op('Tanh', [g.input('x', 'float32', [1, 2, 4, 4])])
      g.output('y', g.op('Resize', [x, undefined, [1, 1, 1, 2]], { mode: 'nearest', nearest_mode: 'ceil' }))
    },
    left: ['Tanh', 'Resize'],
  },
  { name: 'a Sum of one', build: f((g, x) => g.op('Sum', [x])), left: ['Tanh', 'Relu'] },
  {
    name: 'random numbers are not those of another node',
    build: (g) => {
      const x = g.input('x', 'float32', [64])
      const draw = (): Value => g.op('RandomNormalLike', [x])
      g.output('is_same', g.op('Equal', [draw(), draw()]))
    },
    left: ['RandomNormalLike', 'RandomNormalLike', 'Equal'],
  },
  {
    name: 'a random number is no constant',
    build: (g) =>
      g.output(
        'is_below',
        g.op('Less', [g.op('RandomUniform', [], { shape: [4], dtype: 1 }), g.input('x', 'float32', [4])]),
      ),
    left: ['RandomUniform', 'Less'],
    feeds: { x: Tensor.fromNumbers('float32', [4], [2, 2, -1, -1]) },
  },
  {
    name: 'the mask of a Dropout',
    build: (g) => {
      const { outputs } = g.node('Dropout', [cube(g), 0.5], {}, { outputs: 2 })
      g.output('y', outputs[0] as Value)
      g.output('mask', outputs[1] as Value)
    },
  },
  {
    name: 'an Identity from an input to an output, twice',
    build: (g) => {
      const x = g.input('x', 'float32', [3])
      g.output('a', g.op('Identity', [x]))
      g.output('b', g.op('Identity', [x]))
      g.output('c', g.op('Identity', [g.constant([1, 2, 3])]))
    },
    left: ['Identity', 'Identity', 'Identity'],
  },
  {
    name: 'two outputs of one kind',
    build: (g) => {
      const x = g.input('x', 'float32', [3])
      g.output('a', g.op('Exp', [x]))
      g.output('b', g.op('Exp', [x]))
    },
  },
  {
    name: 'a Loop that changes what it captured the like of',
    build: (g, w) => {
      const x = g.input('x', 'float32', [4])
      const bias = g.constant(w.normal(4))
      const body = g.subgraph((inner) => {
        inner.input('i', 'int64', [])
        inner.input('go', 'bool', [])
        const state = inner.input('state', 'float32', [4])
        inner.output('go_on', inner.op('Identity', [inner.constant(Tensor.fromNumbers('bool', [], [1]))]))
        inner.output('next', inner.op('Add', [inner.op('Mul', [state, 0.5]), bias]))
      })
      const condition = g.constant(Tensor.fromNumbers('bool', [], [1]))
      g.output('y', g.op('Loop', [int64(3), condition, g.op('Add', [x, bias])], { body }))
    },
  },
  {
    name: 'a Softmax of opset 12 is over all axes from its own on',
    build: (g) => g.output('y', g.op('Softmax', [g.op('Relu', [g.input('x', 'float32', [2, 3, 4])])], { axis: 1 })),
    model: { opset: 12 },
  },
  {
    name: 'an Einsum that takes a diagonal',
    build: (g) => g.output('y', g.op('Einsum', [g.input('x', 'float32', [3, 3])], { equation: 'ii->i' })),
  },
  {
    name: 'an Einsum with sizes of 1 that broadcast',
    build: (g) =>
      g.output(
        'y',
        g.op('Einsum', [g.input('x', 'float32', [1, 3, 4]), g.input('z', 'float32', [2, 4, 5])], {
          equation: '...ij,...jk->...ik',
        }),
      ),
  },
  {
    name: 'a Where whose condition is shared with its negation',
    build: (g) => {
      const condition = g.input('condition', 'bool', [4])
      const [x, not] = [g.input('x', 'float32', [4]), g.op('Not', [condition])]
      g.output('y', g.op('Where', [not, x, g.constant(0)]))
      g.output('not', not)
    },
  },
]
