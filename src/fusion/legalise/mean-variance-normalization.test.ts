import { testLowering, unary } from '../../../test/support/lowering.ts'

const mvn = (attributes?: Parameters<typeof unary>[1]) => unary('MeanVarianceNormalization', attributes)

testLowering('lower-mean-variance-normalization', {
  op: 'MeanVarianceNormalization',
  spellings: {
    'over the default axes': mvn(),
    'over other axes': { build: mvn({ axes: [1, 2] }), opset: 18 },
    'over the last axis, in opset 9': { build: mvn({ axes: [-1] }), opset: 9 },
    'sizes open': { build: mvn({ axes: [0, 2] }), shape: ['n', 4, 'w'] },
  },
  // The runtime has no ε, so that equal numbers give NaN.
  numbers: false,
})
