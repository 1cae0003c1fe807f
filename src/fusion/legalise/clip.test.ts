import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering, unary } from '../../../test/support/lowering.ts'
import { elementTypes, Tensor } from '../../graph/index.ts'

const byte = (number: number): Tensor => Tensor.fromNumbers('uint8', [], [number])
/** Of 9·|x| as uint8, back as floats. */
const ofBytes =
  (low?: Tensor, high?: Tensor): Formula =>
  (g, x) => {
    const whole = g.op('Cast', [g.op('Mul', [g.op('Abs', [x]), 9])], { to: elementTypes.uint8.code })
    return g.op('Cast', [g.op('Clip', [whole, low, high])], { to: elementTypes.float32.code })
  }
const types = ['float32'] as const

testLowering('lower-clip', {
  spellings: {
    'of uint8 from both sides': { build: ofBytes(byte(3), byte(9)), types },
    'of uint8 from below, in opset 12': { build: ofBytes(byte(5)), types, opset: 12 },
    'of uint8 from above, sizes open': { build: ofBytes(undefined, byte(200)), types, opset: 21, shape: ['n', 'm'] },
    'of floats before opset 11': { build: unary('Clip', { min: -1, max: 6 }), types, opset: 10 },
    'of floats before opset 11, from below, sizes open': {
      build: unary('Clip', { min: 0 }),
      types,
      opset: 8,
      shape: ['n', 'm'],
    },
  },
  leftAlone: {
    'floats before opset 8, in which Max has no kernel': [
      /Max has no WebGPU kernel/,
      { build: unary('Clip', { min: -1, max: 6 }), types, opset: 7 },
    ],
  },
  numbers: fc.integer({ min: -20, max: 20 }),
})
