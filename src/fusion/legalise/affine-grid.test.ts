import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

const opset = 20
const grid =
  (sizes: readonly number[], align_corners = 0): Formula =>
  (g, x) =>
    g.op('AffineGrid', [x, int64(sizes)], { align_corners })

testLowering('lower-affine-grid', {
  op: 'AffineGrid',
  spellings: {
    'of an image': { build: grid([2, 3, 4, 5]), opset, shape: [2, 2, 3] },
    'of an image, from the middles of its corners': { build: grid([2, 3, 4, 5], 1), opset, shape: [2, 2, 3] },
    'of a volume, in opset 21': { build: grid([1, 1, 2, 3, 4]), opset: 21, shape: [1, 3, 4] },
  },
  drawn: fc
    .record({ height: fc.integer({ min: 2, max: 7 }), width: fc.integer({ min: 2, max: 7 }), corners: fc.nat(1) })
    .map(({ height, width, corners }) => ({ build: grid([2, 1, height, width], corners), opset, shape: [2, 2, 3] })),
  leftAlone: {
    'a size that is open': [
      /its size is \[1, 1, h, 3\]/,
      {
        build: (g, x) => {
          const open = g.op('Shape', [g.input('image', 'float32', [1, 1, 'h', 3])])
          return g.op('AffineGrid', [x, open])
        },
        opset,
        shape: [1, 2, 3],
      },
    ],
    'a grid that is large': [
      /its grid has 1000000 places/,
      { build: (g, x) => g.op('AffineGrid', [x, int64([1, 1, 1000, 1000])]), opset, shape: [1, 2, 3] },
    ],
    'a size that is an input': [
      /size is not known/,
      {
        build: (g, x) => g.op('AffineGrid', [x, g.input('size', 'int64', [4])]),
        opset,
        shape: [1, 2, 3],
        feeds: { size: int64([1, 1, 3, 3]) },
      },
    ],
  },
  // Of 10²⁰ and its like, what is left depends on the order of the sums.
  numbers: fc.integer({ min: -9, max: 9 }),
})
