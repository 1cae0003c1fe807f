import { testLowering, unary } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

testLowering('lower-space-to-depth', {
  op: 'SpaceToDepth',
  spellings: {
    'by 2': unary('SpaceToDepth', { blocksize: 2 }),
    'by 3, in opset 9, width open': {
      build: unary('SpaceToDepth', { blocksize: 3 }),
      shape: ['n', 2, 6, 'w'],
      opset: 9,
    },
    'by 1, height open': { build: unary('SpaceToDepth', { blocksize: 1 }), shape: [2, 2, 'h', 3] },
  },
  leftAlone: {
    'an open height and width': [
      /neither/,
      { build: unary('SpaceToDepth', { blocksize: 2 }), shape: [1, 2, 'even', 'even'] },
    ],
    'an open number of channels': [
      /channels/,
      { build: unary('SpaceToDepth', { blocksize: 2 }), shape: [1, 'c', 4, 4] },
    ],
    'an unknown shape': [
      /shape of .* is not known/,
      {
        build: (g, x) => g.op('SpaceToDepth', [g.op('Reshape', [x, g.input('to', 'int64')])], { blocksize: 2 }),
        feeds: { to: int64([2, 4, 6, 6]) },
      },
    ],
  },
})
