import { testLowering, unary } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

testLowering('lower-global-lp-pool', {
  op: 'GlobalLpPool',
  spellings: {
    'of an image': unary('GlobalLpPool'),
    'with p = 1, of a signal': { build: unary('GlobalLpPool', { p: 1 }), shape: [2, 3, 7] },
    'sizes open': { build: unary('GlobalLpPool'), opset: 20, shape: ['n', 3, 'h', 'w'] },
    'before opset 13': { build: unary('GlobalLpPool', { p: 1 }), opset: 9 },
  },
  leftAlone: {
    'another p': [/its p is 3/, unary('GlobalLpPool', { p: 3 })],
    'an unknown rank': [
      /rank of .* is not known/,
      {
        build: (g, x) => g.op('GlobalLpPool', [g.op('Reshape', [x, g.input('to', 'int64')])]),
        feeds: { to: int64([2, 4, 6, 6]) },
      },
    ],
  },
})
