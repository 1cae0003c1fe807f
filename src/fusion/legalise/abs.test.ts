import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { elementTypes } from '../../graph/index.ts'

const types = ['float32'] as const
/** Of 9·x as int32, back as floats. */
const ofInt32: Formula = (g, x) => {
  const whole = g.op('Cast', [g.op('Mul', [x, 9])], { to: elementTypes.int32.code })
  return g.op('Cast', [g.op('Abs', [whole])], { to: elementTypes.float32.code })
}

testLowering('lower-abs', {
  op: 'Abs',
  spellings: {
    'of int32': { build: ofInt32, types },
    'in opset 12': { build: ofInt32, types, opset: 12 },
    'sizes open': { build: ofInt32, types, opset: 21, shape: ['n', 'm'] },
  },
  numbers: fc.integer({ min: -99, max: 99 }),
})
