import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64, type Operand } from '../../graph/index.ts'

/** Two of the parts, the second first. */
const parts =
  (split: Operand, attributes: Record<string, number> = {}): Formula =>
  (g, x) => {
    const all = g.op('SplitToSequence', [x, split], attributes)
    const [second, first] = [g.op('SequenceAt', [all, int64(1)]), g.op('SequenceAt', [all, int64(0)])]
    return g.op('Concat', [second, first], { axis: 1 })
  }

testLowering('sequence-element', {
  op: 'SequenceAt',
  spellings: {
    'of parts of given sizes': parts(int64([1, 3]), { axis: 1 }),
    'of parts of one size, the last shorter': parts(int64(3), { axis: -1 }),
    'of single ones': { build: parts(undefined, { axis: 2 }), opset: 21, shape: ['n', 3, 2, 5] },
    'of single ones, their axis away': { build: parts(undefined, { axis: 0, keepdims: 0 }), shape: [2, 3, 'm'] },
    'of what was put together': (g, x) =>
      g.op('SequenceAt', [g.op('SequenceConstruct', [x, g.op('Neg', [x])]), int64(-1)]),
  },
  leftAlone: {
    'an open size': [
      /size of the axis is n/,
      { build: (g, x) => g.op('SequenceAt', [g.op('SplitToSequence', [x]), int64(0)]), shape: ['n', 3] },
    ],
    'a position that is an input': [
      /position is not known/,
      {
        build: (g, x) => g.op('SequenceAt', [g.op('SplitToSequence', [x]), g.input('i', 'int64', [])]),
        shape: [2, 3],
        feeds: { i: int64(1) },
      },
    ],
  },
  special: true,
})
