import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-sign', {
  op: 'Sign',
  spellings: {
    'of floats': unary('Sign'),
    'in opset 9, sizes open': { build: unary('Sign'), opset: 9, shape: ['n', 'm'] },
    'of int32': {
      types: ['float32'],
      build: (g, x) => g.op('Cast', [g.op('Sign', [g.op('Cast', [x], { to: 6 })])], { to: 1 }),
    },
  },
  leftAlone: { 'unsigned integers': [/uint32/, { build: unary('Sign'), types: ['uint32'] }] },
  special: true,
})
