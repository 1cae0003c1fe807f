import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-round', {
  op: 'Round',
  spellings: {
    'of numbers': unary('Round'),
    'of halves': (g, x) => g.op('Round', [g.op('Mul', [g.op('Floor', [x]), 0.5])]),
    'in opset 11, sizes open': { build: unary('Round'), opset: 11, shape: ['n'] },
    'in opset 21': { build: unary('Round'), opset: 21 },
  },
  special: true,
})
