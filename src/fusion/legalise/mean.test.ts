import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-mean', {
  op: 'Mean',
  spellings: {
    'of what broadcasts': (g, x) => g.op('Mean', [x, [0.5, 1, 2, 3, 4, 5]]),
    'of three': (g, x) => g.op('Mean', [x, g.op('Neg', [x]), 7]),
    'in opset 8': { build: (g, x) => g.op('Mean', [g.op('Abs', [x]), x]), shape: ['n', 'm'], opset: 8 },
    'of one': unary('Mean'),
  },
  leftAlone: {
    'opset 6': [/Add has no WebGPU kernel/, { build: (g, x) => g.op('Mean', [x, x]), opset: 6, types: ['float32'] }],
  },
})
