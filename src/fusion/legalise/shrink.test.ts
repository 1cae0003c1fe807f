import { testLowering, unary } from '../../../test/support/lowering.ts'

testLowering('lower-shrink', {
  op: 'Shrink',
  spellings: {
    'with the defaults': unary('Shrink'),
    'with a bias': unary('Shrink', { lambd: 0.25, bias: 0.5 }),
    'with a threshold below 0, sizes open': { build: unary('Shrink', { lambd: -1, bias: 1 }), shape: ['n', 'm'] },
  },
  leftAlone: { integers: [/Less has no WebGPU kernel|its type/, { build: unary('Shrink'), types: ['int32'] }] },
  special: true,
})
