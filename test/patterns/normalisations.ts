import { type GraphBuilder, int64, type Value } from '../../src/graph/index.ts'
import { spellRms, spellStandardised } from '../support/spell-norm.ts'
import type { Pattern, Weights } from './pattern.ts'

const input = (g: GraphBuilder, name = 'x'): Value => g.input(name, 'float32', ['batch', 'length', 8])

const affine = (g: GraphBuilder, x: Value, w: Weights): Value =>
  g.op('Add', [g.op('Mul', [x, w.positive(8)]), w.normal(8)])

const decomposed = (name: string, opset: number): Pattern => ({
  name,
  model: { opset },
  build: (g, w) => g.output('y', affine(g, spellStandardised(g, input(g)), w)),
  expected: ['LayerNormalization'],
})

const layerNorm = (g: GraphBuilder, x: Value, w: Weights): Value =>
  g.op('LayerNormalization', [x, w.positive(8), w.normal(8)], { axis: -1, epsilon: 1e-5 })

/** As Llama writes it: w · (x · rsqrt(mean(x²) + ε)). */
const rmsNorm = (g: GraphBuilder, x: Value, w: Weights, divide: 'Div' | 'Reciprocal'): Value =>
  g.op('Mul', [w.positive(8), spellRms(g, x, { epsilon: 1e-6, divide })])

/** Normalisations that exporters write out. */
export const normalisations: readonly Pattern[] = [
  decomposed('layernorm_decomposed_op13', 13),
  decomposed('layernorm_decomposed_op17', 17),
  decomposed('layernorm_decomposed_op20', 20),
  {
    // ConvNeXt's LayerNorm over the channels of an image.
    name: 'layernorm_decomposed_channelfirst',
    build: (g, w) => {
      const normalised = spellStandardised(g, g.input('x', 'float32', ['batch', 8, 4, 4]), { axes: [1], epsilon: 1e-6 })
      g.output('y', g.op('Add', [g.op('Mul', [w.positive(8, 1, 1), normalised]), w.normal(8, 1, 1)]))
    },
    expected: ['Transpose', 'LayerNormalization', 'Transpose'],
    reason: 'between NHWC convolutions the session drops the Transposes',
  },
  {
    name: 'layernorm_no_affine',
    build: (g) => g.output('y', spellStandardised(g, input(g))),
    expected: ['LayerNormalization'],
  },
  {
    name: 'rmsnorm_decomposed',
    build: (g, w) => g.output('y', rmsNorm(g, input(g), w, 'Div')),
    expected: ['SimplifiedLayerNormalization'],
  },
  {
    name: 'rmsnorm_reciprocal_form',
    build: (g, w) => g.output('y', rmsNorm(g, input(g), w, 'Reciprocal')),
    expected: ['SimplifiedLayerNormalization'],
  },
  {
    name: 'skip_layernorm',
    build: (g, w) => g.output('y', layerNorm(g, g.op('Add', [input(g), input(g, 'skip')]), w)),
    expected: ['com.microsoft::SkipLayerNormalization'],
  },
  {
    // Every transformer that normalises first: the sum goes on as the next residual.
    name: 'skip_layernorm_sum_reused',
    build: (g, w) => {
      const sum = g.op('Add', [input(g), input(g, 'skip')])
      const branch = g.op('Tanh', [layerNorm(g, sum, w)])
      g.output('y', g.op('Add', [sum, branch]))
    },
    expected: ['com.microsoft::SkipLayerNormalization', 'Tanh', 'Add'],
  },
  {
    name: 'bias_skip_layernorm',
    build: (g, w) => {
      const branch = g.op('Add', [g.op('MatMul', [input(g), w.matrix(8, 8)]), w.normal(8)])
      g.output('y', layerNorm(g, g.op('Add', [branch, input(g, 'skip')]), w))
    },
    expected: ['MatMul', 'com.microsoft::SkipLayerNormalization'],
  },
  {
    name: 'skip_rmsnorm',
    build: (g, w) => g.output('y', rmsNorm(g, g.op('Add', [input(g), input(g, 'skip')]), w, 'Div')),
    expected: ['com.microsoft::SkipSimplifiedLayerNormalization'],
  },
  {
    name: 'instancenorm_decomposed',
    build: (g, w) => {
      const normalised = spellStandardised(g, g.input('x', 'float32', ['batch', 4, 6, 6]), { axes: [2, 3] })
      g.output('y', g.op('Add', [g.op('Mul', [normalised, w.positive(1, 4, 1, 1)]), w.normal(1, 4, 1, 1)]))
    },
    expected: ['InstanceNormalization'],
  },
  {
    name: 'groupnorm_torch_export',
    build: (g, w) => {
      const x = g.input('x', 'float32', ['batch', 8, 6, 6])
      const groups = g.op('Reshape', [x, int64([0, 2, -1])])
      const normalised = g.op('InstanceNormalization', [groups, [1, 1], [0, 0]], { epsilon: 1e-5 })
      const image = g.op('Reshape', [normalised, g.op('Shape', [x])])
      g.output('y', g.op('Add', [g.op('Mul', [image, w.positive(8, 1, 1)]), w.normal(8, 1, 1)]))
    },
    expected: ['Reshape', 'InstanceNormalization', 'Reshape', 'Mul', 'Add'],
    reason: 'GroupNorm has no kernel; the Reshapes copy nothing',
  },
  {
    // F.normalize.
    name: 'l2norm_decomposed',
    build: (g) => {
      const x = input(g)
      const norm = g.op('Clip', [g.op('ReduceL2', [x], { axes: [-1], keepdims: 1 }), 1e-12])
      g.output('y', g.op('Div', [x, g.op('Expand', [norm, g.op('Shape', [x])])]))
    },
    expected: ['ReduceL2', 'Clip', 'Div'],
    reason: 'LpNormalization gives other numbers where the norm is below the ε',
  },
]
