import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-lrn', {
  op: 'LRN',
  spellings: {
    'with the defaults': unary('LRN', { size: 3 }),
    'over one channel, sizes open': {
      build: unary('LRN', { size: 1, alpha: 0.5, beta: 0.5, bias: 2 }),
      shape: ['n', 4, 'h', 3],
    },
    'over more channels than most have': { build: unary('LRN', { size: 5, alpha: 1 }), shape: [2, 6, 3, 2] },
    'in opset 11': { build: unary('LRN', { size: 3, alpha: 1 }), opset: 11 },
  },
  leftAlone: {
    'two open sizes': [/not known/, { build: unary('LRN', { size: 3 }), shape: ['n', 4, 'h', 'w'] }],
    'an open number of channels': [/not known/, { build: unary('LRN', { size: 3 }), shape: ['n', 'c', 3, 3] }],
  },
  // The runtime's running sum of squares overflows for good.
  numbers: false,
})
