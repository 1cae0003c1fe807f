import { testLowering, unary } from '../../../test/support/lowering.ts'

const types = ['float32'] as const

// The runtime takes a LogSoftmax of float16 apart by itself: that one has kernels.
testLowering('lower-log-softmax', {
  op: 'LogSoftmax',
  spellings: {
    'over the last axis': { build: unary('LogSoftmax'), types },
    'over another axis': { build: unary('LogSoftmax', { axis: 1 }), opset: 18, types },
    'over several axes together, before opset 13': { build: unary('LogSoftmax', { axis: 2 }), opset: 11, types },
    'by the default of opset 9': { build: unary('LogSoftmax'), opset: 9, shape: ['n', 4, 5], types },
  },
})
