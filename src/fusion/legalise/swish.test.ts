import { testLowering } from '../../../test/support/lowering.ts'

const opset = 24

// Beside an operator that has its kernel in an older opset, which Swish keeps the model from.
testLowering('lower-swish', {
  op: 'Swish',
  spellings: {
    'with the default': { build: (g, x) => g.op('Sin', [g.op('Swish', [x])]), opset },
    'with an alpha': { build: (g, x) => g.op('Swish', [g.op('Elu', [x])], { alpha: 1.7 }), opset },
    'sizes open': { build: (g, x) => g.op('Swish', [g.op('Cos', [x])], { alpha: -2 }), opset, shape: ['n', 'm'] },
  },
  also: ['lower-opset'],
})
