import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-selu', {
  op: 'Selu',
  spellings: {
    'with the defaults': unary('Selu'),
    'with other numbers': unary('Selu', { alpha: 2, gamma: 0.5 }),
    'in opset 9, sizes open': { build: unary('Selu'), opset: 9, shape: ['n', 'm'] },
  },
  leftAlone: {
    'an opset in which Elu has no kernel': [/Elu has no WebGPU kernel/, { build: unary('Selu'), opset: 22 }],
  },
  special: true,
})
