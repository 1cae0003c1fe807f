import { type GraphBuilder, int64, type Value } from '../../src/graph/index.ts'
import type { Pattern } from './pattern.ts'

const input = (g: GraphBuilder): Value => g.input('x', 'float32', ['batch', 'length', 8])

/** y = f(x), of one value. */
const f =
  (formula: (g: GraphBuilder, x: Value) => Value) =>
  (g: GraphBuilder): void => {
    g.output('y', formula(g, input(g)))
  }

/** As PyTorch writes nn.GELU out: x · (1 + erf(x / √2)) · ½. */
const erfGelu = (g: GraphBuilder, x: Value): Value => {
  const erf = g.op('Erf', [g.op('Div', [x, Math.SQRT2])])
  return g.op('Mul', [g.op('Mul', [x, g.op('Add', [erf, 1])]), 0.5])
}

const silu = (g: GraphBuilder, x: Value): Value => g.op('Mul', [x, g.op('Sigmoid', [x])])

/** Activations that exporters write out. */
export const activations: readonly Pattern[] = [
  { name: 'gelu_erf_op13', build: f(erfGelu), model: { opset: 13 }, expected: ['com.microsoft::Gelu'] },
  { name: 'gelu_erf_op17', build: f(erfGelu), model: { opset: 17 }, expected: ['com.microsoft::Gelu'] },
  { name: 'gelu_erf_op20', build: f(erfGelu), model: { opset: 20 }, expected: ['Gelu'] },
  {
    // As TensorFlow and JAX write it.
    name: 'gelu_erf_mulform',
    build: f((g, x) => {
      const cdf = g.op('Mul', [g.op('Add', [g.op('Erf', [g.op('Mul', [x, Math.SQRT1_2])]), 1]), 0.5])
      return g.op('Mul', [x, cdf])
    }),
    expected: ['com.microsoft::Gelu'],
  },
  {
    name: 'bias_gelu',
    build: (g, w) => g.output('y', erfGelu(g, g.op('Add', [input(g), w.normal(8)]))),
    expected: ['com.microsoft::BiasGelu'],
  },
  {
    name: 'gelu_tanh',
    build: f((g, x) => {
      const cubic = g.op('Add', [x, g.op('Mul', [g.op('Pow', [x, 3]), 0.044715])])
      const tanh = g.op('Tanh', [g.op('Mul', [cubic, Math.sqrt(2 / Math.PI)])])
      return g.op('Mul', [g.op('Mul', [x, 0.5]), g.op('Add', [tanh, 1])])
    }),
    expected: ['com.microsoft::FastGelu'],
  },
  {
    name: 'quick_gelu',
    build: f((g, x) => g.op('Mul', [x, g.op('Sigmoid', [g.op('Mul', [x, 1.702])])])),
    expected: ['com.microsoft::QuickGelu'],
  },
  { name: 'silu_to_quickgelu', build: f(silu), expected: ['com.microsoft::QuickGelu'] },
  {
    name: 'hardswish_decomposed',
    build: f((g, x) => g.op('Div', [g.op('Mul', [x, g.op('Clip', [g.op('Add', [x, 3]), 0, 6])]), 6])),
    expected: ['HardSwish'],
  },
  {
    name: 'hardsigmoid_decomposed',
    build: f((g, x) => g.op('Div', [g.op('Clip', [g.op('Add', [x, 3]), 0, 6]), 6])),
    expected: ['HardSigmoid'],
  },
  {
    name: 'mish_decomposed',
    build: f((g, x) => g.op('Mul', [x, g.op('Tanh', [g.op('Softplus', [x])])])),
    expected: ['Softplus', 'Tanh', 'Mul'],
    reason: 'Mish has no kernel',
  },
  { name: 'relu_clip', build: f((g, x) => g.op('Clip', [g.op('Relu', [x]), 0, 6])), expected: ['Clip'] },
  { name: 'max_min_to_clip', build: f((g, x) => g.op('Min', [g.op('Max', [x, -1]), 1])), expected: ['Clip'] },
  {
    name: 'swiglu',
    build: (g, w) => {
      const x = input(g)
      const [gate, up] = [g.op('MatMul', [x, w.matrix(8, 12)]), g.op('MatMul', [x, w.matrix(8, 12)])]
      g.output('y', g.op('MatMul', [g.op('Mul', [silu(g, gate), up]), w.matrix(12, 8)]))
    },
    expected: ['MatMul', 'MatMul', 'com.microsoft::QuickGelu', 'Mul', 'MatMul'],
    reason: 'no kernel takes gate and up at once; one MatMul and a Split would be as many kernels',
  },
  {
    // GEGLU, as in Stable Diffusion: the projection's halves, the second through GELU.
    name: 'bias_split_gelu',
    build: (g, w) => {
      const projected = g.op('Add', [g.op('MatMul', [input(g), w.matrix(8, 24)]), w.normal(24)])
      const halves = g.node('Split', [projected, int64([12, 12])], { axis: -1 }, { outputs: 2 })
      const [hidden, gate] = halves.outputs
      g.output('y', g.op('Mul', [hidden, gate && erfGelu(g, gate)]))
    },
    expected: ['MatMul', 'Add', 'Split', 'com.microsoft::Gelu', 'Mul'],
    reason: 'BiasSplitGelu has no kernel on wasm, to which the loader falls back',
  },
  { name: 'pow2_to_mul', build: f((g, x) => g.op('Pow', [x, 2])), expected: ['Mul'] },
  {
    name: 'div_const_to_mul_chain',
    build: f((g, x) => g.op('Div', [g.op('Mul', [g.op('Div', [x, 3]), 5]), 7])),
    expected: ['Mul'],
  },
]
