import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

const reverse =
  (lengths: readonly number[], attributes: Record<string, number> = {}): Formula =>
  (g, x) =>
    g.op('ReverseSequence', [x, int64(lengths)], attributes)
const batchFirst = { batch_axis: 0, time_axis: 1 }

testLowering('lower-reverse-sequence', {
  op: 'ReverseSequence',
  spellings: {
    'of whole sequences': { build: reverse([5, 5]), shape: [5, 2, 3] },
    'of their beginnings, the batch first': { build: reverse([3, 3], batchFirst), shape: ['n', 5, 3] },
    'of nothing, in opset 11': { build: reverse([1, 1], batchFirst), shape: ['n', 5], opset: 11 },
  },
  leftAlone: {
    'different lengths': [/different lengths/, { build: reverse([3, 5], batchFirst), shape: [2, 5] }],
    'lengths that are an input': [
      /computed, not a constant/,
      {
        build: (g, x) => g.op('ReverseSequence', [x, g.input('lengths', 'int64', [2])]),
        shape: [5, 2],
        feeds: { lengths: int64([2, 5]) },
      },
    ],
    'an open number of steps': [/number of steps is m/, { build: reverse([3, 3]), shape: ['m', 2] }],
  },
  special: true,
})
