import { expect, it } from 'vitest'
import { testLowering, unary } from '../../../test/support/lowering.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { int64 } from '../../graph/index.ts'

testLowering('lower-space-to-depth', {
  op: 'SpaceToDepth',
  spellings: {
    'by 2': unary('SpaceToDepth', { blocksize: 2 }),
    'by 3, in opset 9, width open': {
      build: unary('SpaceToDepth', { blocksize: 3 }),
      shape: [2, 2, 6, 'w'],
      opset: 9,
    },
    'by 2, batch open': { build: unary('SpaceToDepth', { blocksize: 2 }), shape: ['n', 3, 4, 6] },
    'by 1, height open': { build: unary('SpaceToDepth', { blocksize: 1 }), shape: [2, 2, 'h', 3] },
  },
  leftAlone: {
    'an open height and width': [
      /neither height nor width of .* is known/,
      { build: unary('SpaceToDepth', { blocksize: 2 }), shape: [1, 2, 'even', 'even'] },
    ],
    'a batch that may be empty, width open': [
      /the batch of .* may be empty/,
      { build: unary('SpaceToDepth', { blocksize: 3 }), shape: ['n', 2, 6, 'w'] },
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

it('lower-space-to-depth leaves alone another order, which the runtime does not know yet', () => {
  const reasons = reasonsForLeaving('lower-space-to-depth', (g) =>
    g.output('y', g.op('SpaceToDepth', [g.input('x', 'float32', [1, 2, 4, 4])], { blocksize: 2, mode: 'CRD' })),
  )
  expect(reasons).toEqual(['its mode is CRD'])
})
