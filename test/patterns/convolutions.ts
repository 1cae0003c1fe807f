import { type GraphBuilder, int64, type Value } from '../../src/graph/index.ts'
import type { Pattern, Weights } from './pattern.ts'

const image = ['batch', 4, 8, 8]
const same = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1], dilations: [1, 1], group: 1 }
const adjacent = 'the session runs both as one kernel; FusedConv written down would lose the CPU as fallback'

const input = (g: GraphBuilder, shape: readonly (number | string)[] = image): Value => g.input('x', 'float32', shape)

const batchNorm = (g: GraphBuilder, x: Value, w: Weights, channels = 4): Value =>
  g.op('BatchNormalization', [x, ...w.batchNorm(channels)], { epsilon: 1e-5, momentum: 0.9 })

/** A convolution with a bias, and what follows it. */
const conv =
  (follow: (g: GraphBuilder, y: Value, w: Weights) => Value) =>
  (g: GraphBuilder, w: Weights): void => {
    const y = g.op('Conv', [input(g), w.kernel(4, 4, 3, 3), w.normal(4)], same)
    g.output('y', follow(g, y, w))
  }

/** A convolution with an activation of one operator. */
const activated = (
  name: string,
  op: string,
  attributes: Record<string, number> = {},
  more: readonly number[] = [],
): Pattern => ({
  name,
  build: conv((g, y) => g.op(op, [y, ...more], attributes)),
  expected: ['Conv', op],
  reason: adjacent,
})

const transposed = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }

const crop = (g: GraphBuilder, x: Value, row: number, column: number): Value => {
  const rows = g.op('Slice', [x, int64([row]), int64([2 ** 53]), int64([2]), int64([2])])
  return g.op('Slice', [rows, int64([column]), int64([2 ** 53]), int64([3]), int64([2])])
}

/** Convolutions, what stands around them, and what can be taken in. */
export const convolutions: readonly Pattern[] = [
  {
    name: 'conv_bn',
    build: (g, w) => g.output('y', batchNorm(g, g.op('Conv', [input(g), w.kernel(4, 4, 3, 3)], same), w)),
    expected: ['Conv'],
  },
  {
    name: 'conv_bias_bn_relu',
    build: conv((g, y, w) => g.op('Relu', [batchNorm(g, y, w)])),
    expected: ['Conv', 'Relu'],
    reason: adjacent,
  },
  {
    name: 'dwconv_bn',
    build: (g, w) => {
      const y = g.op('Conv', [input(g), w.kernel(4, 1, 3, 3)], { ...same, group: 4 })
      g.output('y', batchNorm(g, y, w))
    },
    expected: ['Conv'],
  },
  {
    name: 'conv1d_bn',
    build: (g, w) => {
      const y = g.op('Conv', [input(g, ['batch', 4, 16]), w.kernel(6, 4, 3)], { kernel_shape: [3], pads: [1, 1] })
      g.output('y', batchNorm(g, y, w, 6))
    },
    expected: ['Conv'],
  },
  {
    name: 'convtranspose_bn',
    build: (g, w) => {
      const y = g.op('ConvTranspose', [input(g), w.kernel(4, 6, 2, 2), w.normal(6)], transposed)
      g.output('y', batchNorm(g, y, w, 6))
    },
    expected: ['ConvTranspose'],
  },
  {
    name: 'convtranspose_group_bn',
    build: (g, w) => {
      const y = g.op('ConvTranspose', [input(g), w.kernel(4, 3, 2, 2)], { ...transposed, group: 2 })
      g.output('y', batchNorm(g, y, w, 6))
    },
    expected: ['ConvTranspose'],
  },
  {
    name: 'bn_conv_nopad',
    build: (g, w) => {
      const attributes = { kernel_shape: [3, 3], pads: [0, 0, 0, 0] }
      g.output('y', g.op('Conv', [batchNorm(g, input(g), w), w.kernel(6, 4, 3, 3), w.normal(6)], attributes))
    },
    expected: ['Conv'],
  },
  {
    name: 'bn_alone_to_mul_add',
    build: (g, w) =>
      g.output('y', g.op('Relu', [batchNorm(g, g.op('MaxPool', [input(g)], { kernel_shape: [2, 2] }), w)])),
    expected: ['MaxPool', 'BatchNormalization', 'Relu'],
    reason: 'one kernel, where Mul and Add are two',
  },
  {
    name: 'conv_add_const',
    build: (g, w) =>
      g.output('y', g.op('Add', [g.op('Conv', [input(g), w.kernel(4, 4, 3, 3)], same), w.normal(1, 4, 1, 1)])),
    expected: ['Conv'],
  },
  {
    name: 'conv_mul_const',
    build: conv((g, y, w) => g.op('Mul', [y, w.normal(4, 1, 1)])),
    expected: ['Conv'],
  },
  {
    name: 'conv_mul_add_scalar',
    build: conv((g, y) => g.op('Add', [g.op('Mul', [y, 0.25]), 0.5])),
    expected: ['Conv'],
  },
  {
    name: 'conv_div_sub_const',
    build: conv((g, y, w) => g.op('Sub', [g.op('Div', [y, w.positive(1, 4, 1, 1)]), w.normal(1, 4, 1, 1)])),
    expected: ['Conv'],
  },
  {
    name: 'input_normalise_mul_add_conv_nopad',
    build: (g, w) => {
      const x = input(g, ['batch', 3, 9, 9])
      const normalised = g.op('Add', [g.op('Mul', [x, w.positive(1, 3, 1, 1)]), w.normal(1, 3, 1, 1)])
      const attributes = { kernel_shape: [3, 3], strides: [2, 2] }
      g.output('y', g.op('Conv', [normalised, w.kernel(4, 3, 3, 3), w.normal(4)], attributes))
    },
    expected: ['Conv'],
  },
  {
    name: 'convtranspose_add_const',
    build: (g, w) => {
      const y = g.op('ConvTranspose', [input(g), w.kernel(4, 6, 2, 2)], transposed)
      g.output('y', g.op('Add', [y, w.normal(1, 6, 1, 1)]))
    },
    expected: ['ConvTranspose'],
  },
  activated('conv_relu', 'Relu'),
  activated('conv_sigmoid', 'Sigmoid'),
  activated('conv_tanh', 'Tanh'),
  activated('conv_leakyrelu', 'LeakyRelu', { alpha: 0.1 }),
  activated('conv_hardsigmoid', 'HardSigmoid', { alpha: 1 / 6, beta: 0.5 }),
  activated('conv_hardswish', 'HardSwish'),
  activated('conv_elu', 'Elu', { alpha: 1 }),
  activated('conv_softplus', 'Softplus'),
  activated('conv_clip06', 'Clip', {}, [0, 6]),
  {
    name: 'conv_silu',
    build: conv((g, y) => g.op('Mul', [y, g.op('Sigmoid', [y])])),
    expected: ['Conv', 'com.microsoft::QuickGelu'],
    reason: adjacent,
  },
  {
    // The end of ResNet's basic block.
    name: 'conv_add_residual_relu',
    build: (g, w) => {
      const x = input(g)
      const convolved = (y: Value): Value => g.op('Conv', [y, w.kernel(4, 4, 3, 3), w.normal(4)], same)
      g.output('y', g.op('Relu', [g.op('Add', [convolved(g.op('Relu', [convolved(x)])), x])]))
    },
    expected: ['Conv', 'Relu', 'Conv', 'Add', 'Relu'],
    reason: 'no kernel: FusedConv on WebGPU leaves the residual out',
  },
  {
    name: 'convtranspose_relu',
    build: (g, w) =>
      g.output('y', g.op('Relu', [g.op('ConvTranspose', [input(g), w.kernel(4, 6, 2, 2), w.normal(6)], transposed)])),
    expected: ['ConvTranspose', 'Relu'],
    reason: 'no kernel does both',
  },
  {
    name: 'pad_conv',
    build: (g, w) => {
      const padded = g.op('Pad', [input(g), int64([0, 0, 1, 1, 0, 0, 1, 1]), 0], { mode: 'constant' })
      g.output('y', g.op('Conv', [padded, w.kernel(4, 4, 3, 3), w.normal(4)], { kernel_shape: [3, 3] }))
    },
    expected: ['Conv'],
  },
  {
    name: 'pad_maxpool_neginf',
    build: (g) => {
      const padded = g.op('Pad', [input(g), int64([0, 0, 1, 1, 0, 0, 1, 1]), Number.NEGATIVE_INFINITY])
      g.output('y', g.op('MaxPool', [padded], { kernel_shape: [3, 3], strides: [2, 2] }))
    },
    expected: ['MaxPool'],
  },
  {
    name: 'pad_avgpool',
    build: (g) => {
      const padded = g.op('Pad', [input(g), int64([0, 0, 1, 1, 0, 0, 1, 1]), 0])
      g.output('y', g.op('AveragePool', [padded], { kernel_shape: [3, 3], strides: [2, 2], count_include_pad: 1 }))
    },
    expected: ['AveragePool'],
  },
  {
    name: 'conv1x1_conv1x1_compose',
    build: (g, w) => {
      const narrow = { kernel_shape: [1, 1] }
      const first = g.op('Conv', [input(g), w.kernel(8, 4, 1, 1), w.normal(8)], narrow)
      g.output('y', g.op('Conv', [first, w.kernel(4, 8, 1, 1), w.normal(4)], narrow))
    },
    expected: ['Conv'],
  },
  {
    name: 'repvgg_parallel_convs',
    build: (g, w) => {
      const x = input(g)
      const dense = batchNorm(g, g.op('Conv', [x, w.kernel(4, 4, 3, 3)], same), w)
      const narrow = batchNorm(g, g.op('Conv', [x, w.kernel(4, 4, 1, 1)], { kernel_shape: [1, 1] }), w)
      const sum = g.op('Add', [g.op('Add', [dense, narrow]), batchNorm(g, x, w)])
      g.output('y', g.op('Relu', [sum]))
    },
    expected: ['Conv', 'Relu'],
  },
  {
    name: 'parallel_conv_concat_same_input',
    build: (g, w) => {
      const x = input(g)
      const branch = (channels: number): Value =>
        g.op('Conv', [x, w.kernel(channels, 4, 3, 3), w.normal(channels)], same)
      g.output('y', g.op('Concat', [branch(4), branch(6)], { axis: 1 }))
    },
    expected: ['Conv'],
  },
  {
    name: 'space_to_depth_slices_concat',
    build: (g, w) => {
      const x = input(g, ['batch', 3, 8, 8])
      const parts = [crop(g, x, 0, 0), crop(g, x, 1, 0), crop(g, x, 0, 1), crop(g, x, 1, 1)]
      const depth = g.op('Concat', parts, { axis: 1 })
      g.output('y', g.op('Conv', [depth, w.kernel(4, 12, 3, 3), w.normal(4)], same))
    },
    expected: ['Conv'],
  },
]
