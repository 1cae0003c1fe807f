import { type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'
import type { Weights } from '../patterns/pattern.ts'
import { Random } from '../support/run-model.ts'
import type { Trap } from './trap.ts'

const image = (g: GraphBuilder, channels = 4, size = 4): Value => g.input('x', 'float32', [2, channels, size, size])
const conv = (g: GraphBuilder, x: Value, w: Weights, attributes = {}): Value =>
  g.op('Conv', [x, w.kernel(4, 4, 3, 3), w.normal(4)], { pads: [1, 1, 1, 1], ...attributes })
const narrow = (g: GraphBuilder, x: Value, w: Weights, attributes = {}): Value =>
  g.op('Conv', [x, w.kernel(4, 4, 1, 1), w.normal(4)], attributes)
const batchNorm = (g: GraphBuilder, x: Value, w: Weights, channels = 4): Value =>
  g.op('BatchNormalization', [x, ...w.batchNorm(channels)])
const pad = (g: GraphBuilder, x: Value, value = 0): Value => g.op('Pad', [x, int64([0, 0, 1, 1, 0, 0, 1, 1]), value])
const negative = { x: new Random(1).tensor([2, 4, 4, 4], 'float32', [-3, -1]) }

/** Around convolutions and products of matrices. */
export const linear: readonly Trap[] = [
  {
    name: 'zeros around a MaxPool of negative numbers are not the −∞ that it pads with',
    build: (g) => g.output('y', g.op('MaxPool', [pad(g, image(g))], { kernel_shape: [3, 3] })),
    left: ['Pad', 'Reshape', 'MaxPool'],
    feeds: negative,
  },
  {
    name: 'an AveragePool that rounds up has other windows when its padding is its own',
    build: (g) =>
      g.output(
        'y',
        g.op('AveragePool', [pad(g, image(g, 4, 5))], {
          kernel_shape: [2, 2],
          strides: [2, 2],
          ceil_mode: 1,
          count_include_pad: 1,
        }),
      ),
    left: ['Pad', 'Reshape', 'AveragePool'],
  },
  {
    name: 'an AveragePool that does not count its own padding counts that of a Pad',
    build: (g) => g.output('y', g.op('AveragePool', [pad(g, image(g))], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })),
    left: ['Pad', 'AveragePool'],
  },
  {
    name: 'a convolution whose padding follows the size of what it gets',
    build: (g, w) =>
      g.output(
        'y',
        g.op('Conv', [pad(g, image(g)), w.kernel(4, 4, 3, 3)], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
      ),
    left: ['Pad', 'Conv'],
  },
  {
    name: 'a Pad that crops',
    build: (g, w) =>
      g.output(
        'y',
        g.op('Conv', [g.op('Pad', [image(g, 4, 6), int64([0, 0, -1, 1, 0, 0, -1, 1]), 0]), w.kernel(4, 4, 3, 3)]),
      ),
    left: ['Pad', 'Conv'],
  },
  {
    name: 'a Pad of channels',
    build: (g, w) =>
      g.output(
        'y',
        g.op('Conv', [g.op('Pad', [image(g, 3), int64([0, 1, 0, 0, 0, 0, 0, 0]), 0]), w.kernel(4, 4, 3, 3)]),
      ),
    left: ['Pad', 'Conv'],
  },
  {
    name: 'a batch norm before a padded convolution: its zeros are not normalised',
    build: (g, w) => g.output('y', conv(g, batchNorm(g, image(g), w), w)),
    left: ['BatchNormalization', 'Conv'],
  },
  {
    name: 'a batch norm of computed statistics, behind a convolution whose result is its scale',
    build: (g, w) => {
      const x = image(g)
      const pooled = g.op('GlobalAveragePool', [narrow(g, g.input('z', 'float32', [1, 4, 2, 2]), w)])
      const [, ...others] = w.batchNorm(4)
      g.output('y', g.op('BatchNormalization', [x, g.op('Reshape', [pooled, int64([4])]), ...others]))
    },
  },
  {
    name: 'a batch norm with variances that make no root',
    build: (g, w) => {
      const [scale, shift, mean] = w.batchNorm(4)
      g.output(
        'y',
        g.op('BatchNormalization', [conv(g, image(g), w), scale, shift, mean, [1, -1, 0.5, 2]], { epsilon: 1e-5 }),
      )
    },
    left: ['Conv', 'BatchNormalization'],
  },
  {
    name: 'two batch norms behind one convolution',
    build: (g, w) => {
      const y = conv(g, image(g), w)
      g.output('a', batchNorm(g, y, w))
      g.output('b', batchNorm(g, y, w))
    },
  },
  {
    name: 'one weight in two convolutions with a batch norm each',
    build: (g, w) => {
      const weight = g.constant(w.kernel(4, 4, 3, 3))
      const [a, b] = [image(g), g.input('z', 'float32', [2, 4, 6, 6])].map((x) => g.op('Conv', [x, weight]))
      g.output('a', batchNorm(g, a as Value, w))
      g.output('b', batchNorm(g, b as Value, w))
    },
    left: ['Conv', 'Conv'],
  },
  {
    name: 'a batch norm behind the quantisation of a convolution',
    build: (g, w) => {
      const [scale, zero] = [g.constant(0.05), g.constant(Tensor.fromNumbers('uint8', [], [128]))]
      const quantised = g.op('QuantizeLinear', [conv(g, image(g), w), scale, zero])
      g.output('y', batchNorm(g, g.op('DequantizeLinear', [quantised, scale, zero]), w))
    },
    left: ['Conv', 'QuantizeLinear', 'DequantizeLinear', 'BatchNormalization'],
  },
  {
    name: 'a batch norm behind a transposed square product is over its rows',
    build: (g, w) => {
      const product = g.op('MatMul', [g.input('x', 'float32', [4, 6]), w.matrix(6, 4)])
      g.output('y', batchNorm(g, g.op('Transpose', [product], { perm: [1, 0] }), w))
    },
    feeds: { x: new Random(3).tensor([4, 6]) },
  },
  {
    name: 'a batch norm behind a product in another shape is over other channels',
    build: (g, w) => {
      const product = g.op('MatMul', [g.input('x', 'float32', [4, 6]), w.matrix(6, 4)])
      g.output('y', batchNorm(g, g.op('Reshape', [product, int64([2, 4, 2])]), w))
    },
  },
  {
    name: 'factors as many as there are channels, along the width',
    build: (g, w) => g.output('y', g.op('Mul', [conv(g, image(g), w), w.normal(4)])),
    left: ['Conv', 'Mul'],
  },
  {
    name: 'summands as many as there are channels, along the height',
    build: (g, w) => g.output('y', g.op('Add', [conv(g, image(g), w), w.normal(4, 1)])),
    left: ['Conv', 'Add'],
  },
  {
    name: 'a factor that raises the rank of a convolution',
    build: (g, w) => g.output('y', g.op('Mul', [conv(g, image(g), w), w.normal(1, 1, 4, 1, 1)])),
    left: ['Conv', 'Mul'],
  },
  {
    name: 'factors that stretch the only channel of a convolution',
    build: (g, w) => g.output('y', g.op('Mul', [g.op('Conv', [image(g), w.kernel(1, 4, 3, 3)]), w.normal(1, 3, 1, 1)])),
    left: ['Conv', 'Mul'],
  },
  {
    name: 'a constant minus a convolution',
    build: (g, w) => g.output('y', g.op('Sub', [w.normal(4, 1, 1), conv(g, image(g), w)])),
    left: ['Conv'],
  },
  {
    name: 'a constant divided by a convolution',
    build: (g, w) => g.output('y', g.op('Div', [w.normal(4, 1, 1), conv(g, image(g), w)])),
    left: ['Conv', 'Div'],
  },
  {
    name: 'a narrow convolution with a bias before a padded one: its zeros have no bias',
    build: (g, w) => g.output('y', conv(g, narrow(g, image(g), w), w)),
    left: ['Conv', 'Conv'],
  },
  {
    name: 'convolutions side by side with other strides',
    build: (g, w) => {
      const x = image(g)
      g.output('a', conv(g, x, w, { strides: [2, 2] }))
      g.output('b', conv(g, x, w))
    },
    left: ['Conv', 'Conv'],
  },
  {
    name: 'convolutions side by side, joined along the width',
    build: (g, w) => {
      const x = image(g)
      g.output('y', g.op('Concat', [conv(g, x, w), conv(g, x, w)], { axis: 3 }))
    },
    left: ['Conv', 'Conv', 'Concat'],
  },
  {
    name: 'grouped convolutions side by side: joined, the groups are others',
    build: (g, w) => {
      const x = image(g)
      const grouped = (): Value => g.op('Conv', [x, w.kernel(4, 2, 3, 3), w.normal(4)], { group: 2 })
      g.output('y', g.op('Concat', [grouped(), grouped()], { axis: 1 }))
    },
  },
  {
    name: 'a transposed convolution of two groups: its weight has the channels of one',
    build: (g, w) => {
      const y = g.op('ConvTranspose', [image(g), w.kernel(4, 3, 2, 2)], {
        group: 2,
        output_padding: [1, 1],
        strides: [2, 2],
      })
      g.output('y', g.op('Mul', [y, w.normal(1, 6, 1, 1)]))
    },
    left: ['ConvTranspose'],
  },
  {
    name: 'a Gemm with α, β, both transposed, and one bias for all, before a batch norm',
    build: (g, w) => {
      const x = g.input('x', 'float32', [6, 3])
      const y = g.op('Gemm', [x, w.matrix(4, 6), 0.5], { alpha: 0.3, beta: -2, transA: 1, transB: 1 })
      g.output('y', batchNorm(g, y, w))
    },
    left: ['Gemm'],
  },
  {
    name: 'a Gemm whose C is one number a row',
    build: (g, w) => {
      const y = g.op('Gemm', [g.input('x', 'float32', [3, 6]), w.matrix(6, 4), w.normal(3, 1)])
      g.output('y', batchNorm(g, y, w))
    },
  },
  {
    name: 'a bias that raises the rank of a product',
    build: (g, w) =>
      g.output(
        'y',
        g.op('Add', [g.op('MatMul', [g.input('x', 'float32', [3, 6]), w.matrix(6, 4)]), w.normal(1, 1, 4)]),
      ),
    left: ['MatMul', 'Add'],
  },
  {
    name: 'a bias that stretches the rows of a product',
    build: (g, w) =>
      g.output('y', g.op('Add', [g.op('MatMul', [g.input('x', 'float32', [1, 6]), w.matrix(6, 4)]), w.normal(3, 4)])),
    left: ['MatMul', 'Add'],
  },
  {
    name: 'products of one input by one weight, twice',
    build: (g, w) => {
      const [x, weight] = [g.input('x', 'float32', [2, 3, 6]), g.constant(w.matrix(6, 4))]
      g.output('a', g.op('MatMul', [x, weight]))
      g.output('b', g.op('Add', [g.op('MatMul', [x, weight]), w.normal(4)]))
    },
  },
  {
    name: 'weights that leave float16 when the batch norm is in them',
    build: (g) => {
      const half = (dims: number[], numbers: number[]): Tensor => Tensor.fromNumbers('float16', dims, numbers)
      const x = g.op('Cast', [g.op('Mul', [g.input('x', 'float32', [1, 1, 3, 3]), 1e-3])], { to: 10 })
      const y = g.op('Conv', [x, half([1, 1, 1, 1], [2000])])
      const parameters = [[300], [0], [0], [1]].map((numbers) => half([1], numbers))
      g.output('y', g.op('Cast', [g.op('BatchNormalization', [y, ...parameters])], { to: 1 }))
    },
  },
]
