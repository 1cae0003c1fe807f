import { testLowering, unary } from '../../../test/support/lowering.ts'
import { Tensor } from '../../graph/index.ts'

testLowering('lower-lrn', {
  op: 'LRN',
  spellings: {
    'with the defaults': unary('LRN', { size: 3 }),
    'over one channel, sizes open': {
      build: (g, x) => {
        const picture = g.op('Conv', [x, Tensor.fromNumbers(x.elementType ?? 'float32', [4, 1, 1, 1], [1, -1, 0.5, 2])])
        return g.op('LRN', [picture], { size: 1, alpha: 0.5, beta: 0.5, bias: 2 })
      },
      shape: [2, 1, 'h', 3],
    },
    'over more channels than most have': { build: unary('LRN', { size: 5, alpha: 1 }), shape: [2, 6, 3, 2] },
    'in opset 11': { build: unary('LRN', { size: 3, alpha: 1 }), opset: 11 },
  },
  leftAlone: {
    'no pixels': [/may have no pixels/, { build: unary('LRN', { size: 3 }), shape: [2, 4, 'h', 3] }],
    'two open sizes': [
      /not known/,
      {
        build: (g, x) =>
          g.op('LRN', [g.op('Conv', [x, Tensor.fromNumbers('float32', [1, 1, 1, 1], [2])])], { size: 1 }),
        shape: ['n', 1, 'h', 'w'],
        types: ['float32'],
      },
    ],
    'an open number of channels': [/may have no pixels/, { build: unary('LRN', { size: 3 }), shape: ['n', 'c', 3, 3] }],
  },
  // The runtime's running sum of squares overflows for good.
  numbers: false,
})
