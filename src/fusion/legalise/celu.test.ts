import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-celu', {
  op: 'Celu',
  spellings: {
    'with the default': unary('Celu'),
    'with an alpha below 1': unary('Celu', { alpha: 0.7 }),
    'with an alpha above 1, sizes open': { build: unary('Celu', { alpha: 3 }), shape: ['n', 2, 2] },
    'in opset 13': { build: unary('Celu', { alpha: 2 }), opset: 13 },
  },
  leftAlone: { 'an alpha below 0': [/its alpha is -1/, unary('Celu', { alpha: -1 })] },
  special: true,
})
