import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64, type Operand } from '../../graph/index.ts'

interface Parts {
  step?: number
  window?: readonly number[]
  length?: Operand
  onesided?: number
}
const hill = [0.1, 0.5, 0.9, 1, 1, 0.9, 0.5, 0.1]

const stft =
  ({ step = 4, window, length, onesided }: Parts): Formula =>
  (g, x) =>
    g.op('STFT', [x, int64(step), window, length], onesided === undefined ? {} : { onesided })

testLowering('lower-stft', {
  op: 'STFT',
  spellings: {
    'with a window': { build: stft({ window: hill }), shape: ['n', 32, 1], types: ['float32'] },
    'with a length, of both sides': {
      build: stft({ length: int64(6), onesided: 0 }),
      shape: [1, 20, 1],
      types: ['float32'],
    },
    'in opset 21, with what is left at the end': {
      build: stft({ window: hill, step: 3 }),
      shape: [2, 30, 1],
      opset: 21,
      types: ['float32'],
    },
  },
  leftAlone: {
    'an open number of samples': [
      /number of samples is w/,
      { build: stft({ window: hill }), shape: [1, 'w', 1], types: ['float32'] },
    ],
    'complex samples': [
      /its samples are complex/,
      { build: stft({ window: hill, onesided: 0 }), shape: [1, 32, 2], types: ['float32'] },
    ],
    'a step that is an input': [
      /step and length are undefined and 8/,
      {
        build: (g, x) => g.op('STFT', [x, g.input('step', 'int64', []), hill]),
        shape: [1, 32, 1],
        types: ['float32'],
        feeds: { step: int64(4) },
      },
    ],
  },
  numbers: fc.integer({ min: -9, max: 9 }),
})
