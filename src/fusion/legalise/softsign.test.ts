import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-softsign', {
  op: 'Softsign',
  spellings: {
    'of floats': unary('Softsign'),
    'in opset 9': { build: unary('Softsign'), opset: 9 },
    'sizes open': { build: unary('Softsign'), shape: ['n', 'm'] },
  },
  special: true,
})
