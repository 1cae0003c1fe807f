import { type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'
import { evaluate } from '../../src/plugin/evaluator.ts'
import { spellMean } from '../support/spell-norm.ts'
import type { Pattern } from './pattern.ts'

const image = ['batch', 4, 8, 8]

/** y = f(x), between two operators that stay: what is an input or output itself has to keep its name. */
const between =
  (formula: (g: GraphBuilder, x: Value) => Value, shape: readonly (number | string)[] = image) =>
  (g: GraphBuilder): void => {
    const x = g.op('Tanh', [g.input('x', 'float32', shape)])
    g.output('y', g.op('Relu', [formula(g, x)]))
  }

const dimension = (g: GraphBuilder, x: Value, axis: number): Value =>
  g.op('Unsqueeze', [g.op('Gather', [g.op('Shape', [x]), int64(axis)]), int64([0])])

/** x.view(x.size(0), -1), as the exporter traces it. */
const flatten = (g: GraphBuilder, x: Value): Value =>
  g.op('Reshape', [x, g.op('Concat', [dimension(g, x, 0), int64([-1])], { axis: 0 })])

/** What moves elements or nothing at all: views, copies, constants, control flow. */
export const plumbing: readonly Pattern[] = [
  {
    name: 'identity_dropout',
    build: between((g, x) => g.op('Dropout', [g.op('Identity', [x]), 0.5])),
    expected: ['Tanh', 'Relu'],
  },
  {
    name: 'cast_cast_roundtrip',
    build: between((g, x) => g.op('Cast', [g.op('Cast', [x], { to: 11 })], { to: 1 })),
    expected: ['Tanh', 'Relu'],
  },
  {
    name: 'transpose_transpose_cancel',
    build: between((g, x) =>
      g.op('Transpose', [g.op('Transpose', [x], { perm: [0, 2, 3, 1] })], { perm: [0, 3, 1, 2] }),
    ),
    expected: ['Tanh', 'Relu'],
  },
  {
    name: 'transpose_relu_transpose',
    build: (g) => {
      const last = g.op('Transpose', [g.op('Tanh', [g.input('x', 'float32', image)])], { perm: [0, 2, 3, 1] })
      g.output('y', g.op('Sigmoid', [g.op('Transpose', [g.op('Relu', [last])], { perm: [0, 3, 1, 2] })]))
    },
    expected: ['Tanh', 'Relu', 'Sigmoid'],
  },
  {
    name: 'reshape_reshape',
    build: between((g, x) => g.op('Reshape', [g.op('Reshape', [x, int64([0, 4, 64])]), int64([-1, 16, 16])])),
    expected: ['Tanh', 'Reshape', 'Relu'],
  },
  {
    name: 'squeeze_unsqueeze',
    build: between(
      (g, x) => g.op('Unsqueeze', [g.op('Squeeze', [x, int64([2, 3])]), int64([2, 3])]),
      ['batch', 4, 1, 1],
    ),
    expected: ['Tanh', 'Relu'],
  },
  {
    name: 'noop_slice_pad_concat_expand_mul1_add0',
    build: between((g, x) => {
      const whole = g.op('Slice', [x, int64([0]), int64([2 ** 53]), int64([1]), int64([1])])
      const unpadded = g.op('Pad', [whole, int64([0, 0, 0, 0, 0, 0, 0, 0]), 0])
      const alone = g.op('Concat', [unpadded], { axis: 1 })
      const expanded = g.op('Expand', [alone, int64([1, 4, 1, 8])])
      return g.op('Add', [g.op('Mul', [expanded, 1]), 0])
    }),
    expected: ['Tanh', 'Relu'],
  },
  {
    name: 'shape_gather_concat_reshape_static',
    build: between(flatten, [2, 4, 8, 8]),
    expected: ['Tanh', 'Reshape', 'Relu'],
  },
  {
    name: 'shape_gather_concat_reshape_dynbatch',
    build: between(flatten),
    expected: ['Tanh', 'Reshape', 'Relu'],
  },
  {
    name: 'cse_duplicate_branch',
    build: (g, w) => {
      const x = g.input('x', 'float32', image)
      const weight = g.constant(w.kernel(4, 4, 1, 1))
      const branch = (): Value => g.op('Sigmoid', [g.op('Conv', [x, weight], { kernel_shape: [1, 1] })])
      g.output('y', g.op('Mul', [branch(), g.op('Tanh', [branch()])]))
    },
    expected: ['Conv', 'Sigmoid', 'Tanh', 'Mul'],
  },
  {
    name: 'duplicate_initializers',
    build: (g, w) => {
      const table = w.normal(4, 8, 8)
      const [x, y] = ['x', 'y'].map((name) => g.input(name, 'float32', image))
      g.output('a', g.op('Sub', [g.op('Sigmoid', [x]), g.constant(table)]))
      g.output('b', g.op('Mul', [g.op('Tanh', [y]), g.constant(Tensor.fromBytes('float32', table.dims, table.bytes))]))
    },
    expected: ['Sigmoid', 'Sub', 'Tanh', 'Mul'],
    initializers: 1,
  },
  {
    // Positions through sines, made when the model runs.
    name: 'constant_subgraph',
    build: between((g, x) => {
      const range = g.op('Cast', [g.op('Range', [int64(0), int64(8), int64(1)])], { to: 1 })
      return g.op('Add', [x, g.op('Sin', [g.op('Mul', [range, g.op('Exp', [g.constant(-0.5)])])])])
    }),
    options: { evaluate },
    expected: ['Tanh', 'Add', 'Relu'],
  },
  {
    name: 'if_const_cond',
    build: between((g, x) => {
      const branch = (op: string): ReturnType<GraphBuilder['subgraph']> =>
        g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [x])))
      const condition = Tensor.fromNumbers('bool', [], [1])
      return g.op('If', [condition], { then_branch: branch('Exp'), else_branch: branch('Neg') })
    }),
    expected: ['Tanh', 'Exp', 'Relu'],
  },
  {
    name: 'where_not',
    build: (g) => {
      const condition = g.input('condition', 'bool', image)
      const [x, y] = ['x', 'y'].map((name) => g.input(name, 'float32', image))
      g.output('z', g.op('Where', [g.op('Not', [condition]), x, y]))
    },
    expected: ['Where'],
  },
  {
    // x.mean((2, 3)).
    name: 'globalavgpool_via_reducemean',
    build: (g, w) => {
      const x = g.op('Conv', [g.input('x', 'float32', image), w.kernel(6, 4, 3, 3), w.normal(6)], {
        kernel_shape: [3, 3],
      })
      g.output('y', spellMean(g, x, [2, 3]))
    },
    expected: ['Conv', 'GlobalAveragePool'],
  },
  {
    // F.pixel_shuffle before opset 13, and einops: depth to columns and rows.
    name: 'depth_to_space_via_reshape',
    build: between((g, x) => {
      const apart = g.op('Reshape', [x, int64([0, 1, 2, 2, 8, 8])])
      return g.op('Reshape', [g.op('Transpose', [apart], { perm: [0, 1, 4, 2, 5, 3] }), int64([0, 1, 16, 16])])
    }),
    expected: ['Tanh', 'DepthToSpace', 'Relu'],
  },
  {
    name: 'channel_shuffle',
    build: between((g, x) => {
      const groups = g.op('Reshape', [x, int64([0, 2, 2, 8, 8])])
      return g.op('Reshape', [g.op('Transpose', [groups], { perm: [0, 2, 1, 3, 4] }), int64([0, 4, 8, 8])])
    }),
    expected: ['Tanh', 'Reshape', 'Transpose', 'Reshape', 'Relu'],
    reason: 'one kernel: the Reshapes copy nothing',
  },
  {
    // timm's attention: one projection, (3, heads) apart, three Gathers.
    name: 'gather_gather_slices_to_split',
    build: (g, w) => {
      const x = g.op('MatMul', [g.input('x', 'float32', ['batch', 6, 8]), w.matrix(8, 24)])
      const packed = g.op('Transpose', [g.op('Reshape', [x, int64([0, 6, 3, 2, 4])])], { perm: [2, 0, 3, 1, 4] })
      const [q, k, v] = [0, 1, 2].map((index) => g.op('Gather', [packed, int64(index)], { axis: 0 }))
      g.output('q', g.op('Relu', [q]))
      g.output('k', g.op('Tanh', [k]))
      g.output('v', g.op('Sigmoid', [v]))
    },
    expected: ['MatMul', 'Reshape', 'Transpose', 'Split', 'Squeeze', 'Squeeze', 'Squeeze', 'Relu', 'Tanh', 'Sigmoid'],
  },
]
