import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-lp-pool', {
  op: 'LpPool',
  spellings: {
    'with the defaults': unary('LpPool', { kernel_shape: [2, 3] }),
    'with p = 1, padded, with strides': unary('LpPool', {
      kernel_shape: [3, 3],
      p: 1,
      pads: [1, 1, 1, 1],
      strides: [2, 2],
    }),
    'padded on one side': { build: unary('LpPool', { kernel_shape: [2, 2], pads: [0, 1, 1, 0] }), opset: 20 },
    'of a signal of open length': { build: unary('LpPool', { kernel_shape: [3] }), shape: ['n', 2, 'w'] },
  },
  leftAlone: {
    'another p': [/its p is 4/, unary('LpPool', { kernel_shape: [2, 2], p: 4 })],
    'a size that is rounded up': [
      /ceil_mode/,
      { build: unary('LpPool', { kernel_shape: [2, 2], ceil_mode: 1 }), opset: 18 },
    ],
    'a dilated kernel': [/dilated/, { build: unary('LpPool', { kernel_shape: [2, 2], dilations: [2, 2] }), opset: 18 }],
    'padding that the runtime works out': [
      /auto_pad/,
      unary('LpPool', { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER' }),
    ],
  },
})
