import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

const opset = 18
const centre =
  (shape: readonly number[], axes?: readonly number[]): Formula =>
  (g, x) =>
    g.op('CenterCropPad', [x, int64(shape)], axes === undefined ? {} : { axes })

testLowering('lower-center-crop-pad', {
  op: 'CenterCropPad',
  spellings: {
    cropped: { build: centre([3, 3]), opset, shape: [6, 7] },
    padded: { build: centre([9, 8]), opset, shape: [6, 5] },
    'some axes, one of them from the end, sizes open': {
      build: centre([9, 3], [1, -1]),
      opset: 21,
      shape: ['n', 6, 8],
    },
  },
  drawn: fc
    .array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 })
    .map(([a = 1, b = 1, c = 1, d = 1]) => ({ build: centre([a, b]), opset, shape: [c, d] })),
  leftAlone: { 'open sizes': [/axis 0 is n, to be 3/, { build: centre([3, 3]), opset, shape: ['n', 7] }] },
})
