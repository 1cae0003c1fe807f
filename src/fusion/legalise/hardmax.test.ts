import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-hardmax', {
  op: 'Hardmax',
  spellings: {
    'over the last axis': unary('Hardmax'),
    'over another axis': unary('Hardmax', { axis: 1 }),
    'with several that are largest, sizes open': {
      build: (g, x) => g.op('Hardmax', [g.op('Floor', [x])], { axis: -2 }),
      shape: ['n', 9, 'm'],
    },
    'over the last axis, before opset 13': { build: unary('Hardmax', { axis: 3 }), opset: 11, types: ['float32'] },
  },
  leftAlone: {
    'float16 before opset 14': [
      /CumSum has no WebGPU kernel/,
      { build: unary('Hardmax'), opset: 13, types: ['float16'] },
    ],
    'several axes together, before opset 13': [
      /several axes/,
      { build: unary('Hardmax', { axis: 1 }), shape: [2, 3, 4], opset: 11 },
    ],
  },
})
