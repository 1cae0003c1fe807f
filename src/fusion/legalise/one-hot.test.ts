import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { elementTypes, int64, type Operand, Tensor } from '../../graph/index.ts'

const types = ['float32'] as const
const zeroOne = Tensor.fromNumbers('float32', [2], [0, 1])
const small = fc.integer({ min: -9, max: 9 })

interface Parts {
  depth?: Operand
  values?: Operand
  axis?: number
}

/** Of int32 indices: the whole parts of 5·x. */
const ofInt32 =
  ({ depth = Tensor.fromNumbers('int32', [], [7]), values = zeroOne, axis = -1 }: Parts = {}): Formula =>
  (g, x) => {
    const indices = g.op('Cast', [g.op('Mul', [x, 5])], { to: elementTypes.int32.code })
    return g.op('OneHot', [indices, depth, values], { axis })
  }
const positions =
  (op: string, depth = 6): Formula =>
  (g, x) =>
    g.op('OneHot', [g.op(op, [x], { axis: 1, keepdims: 0 }), int64(depth), zeroOne])

testLowering('lower-one-hot', {
  op: 'OneHot',
  spellings: {
    'of int32': { build: ofInt32(), types },
    'of int32 along another axis, other numbers': {
      build: ofInt32({ axis: 1, values: Tensor.fromNumbers('float32', [2], [-1, 3]) }),
      types,
    },
    'of int32 along the first axis, sizes open, before opset 13': {
      build: ofInt32({ axis: 0 }),
      shape: ['n', 'm'],
      opset: 11,
      types,
    },
    'of floats': { build: (g, x) => g.op('OneHot', [g.op('Mul', [x, 3]), 4, zeroOne]), types },
    'of what ArgMax finds': { build: positions('ArgMax'), types },
    'of what ArgMin finds, deeper than needed': { build: positions('ArgMin', 9), types },
    'of int64 that was int32': {
      build: (g, x) => {
        const narrow = g.op('Cast', [g.op('Mul', [x, 5])], { to: elementTypes.int32.code })
        return g.op('OneHot', [g.op('Cast', [narrow], { to: elementTypes.int64.code }), int64([3]), zeroOne])
      },
      types,
    },
  },
  leftAlone: {
    'int64 of the inputs': [
      /is int64, which is on the CPU anyway/,
      {
        build: (g, x) => g.op('OneHot', [x, int64(4), zeroOne]),
        types: ['int64'],
        shape: [5],
        feeds: { x: int64([0, 3, -1, 4, 9]) },
      },
    ],
    'a depth that is an input': [
      /depth is not known/,
      {
        build: (g, x) => g.op('OneHot', [x, g.input('depth', 'float32', [1]), zeroOne]),
        shape: [5],
        feeds: { depth: Tensor.fromNumbers('float32', [1], [3]) },
      },
    ],
    'numbers that are an input': [
      /computed, not a constant/,
      { build: (g, x) => g.op('OneHot', [x, 4, g.input('values', 'float32', [2])]), shape: [5] },
    ],
    'a result of int64': [
      /Where has no WebGPU kernel for int64/,
      { build: (g, x) => g.op('OneHot', [x, int64(4), int64([0, 1])]), shape: [2] },
    ],
  },
  numbers: small,
})
