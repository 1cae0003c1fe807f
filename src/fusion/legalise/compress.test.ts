import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { Tensor } from '../../graph/index.ts'

const flags = (...list: number[]): Tensor => Tensor.fromNumbers('bool', [list.length], list)
const compress =
  (condition: Tensor, attributes: Record<string, number> = {}): Formula =>
  (g, x) =>
    g.op('Compress', [x, condition], attributes)

testLowering('lower-compress', {
  op: 'Compress',
  spellings: {
    'along an axis': compress(flags(0, 1, 1, 0), { axis: 1 }),
    'along an axis from the end, with fewer flags': { build: compress(flags(1, 0, 1), { axis: -1 }), opset: 11 },
    'of all elements in order': { build: compress(flags(0, 0, 1, 1, 1)), shape: [2, 3] },
    'in opset 9, a size open': { build: compress(flags(0, 1), { axis: 1 }), shape: ['n', 3], opset: 9 },
    'fewer elements than flags, none of them wanted': {
      build: compress(flags(0, 1, 0, 0), { axis: 1 }),
      shape: [2, 3],
    },
  },
  leftAlone: {
    'fewer elements than the condition wants, perhaps': [
      /may be fewer than 2 elements/,
      { build: compress(flags(0, 1), { axis: 0 }), shape: ['n', 'm'] },
    ],
    'a condition that is computed': [
      /depends on the data/,
      (g, x) => g.op('Compress', [x, g.op('Greater', [g.input('c', 'float32', [4]), 0])], { axis: 1 }),
    ],
  },
  special: true,
})
