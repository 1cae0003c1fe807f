import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../graph/index.ts'

const infinity = Number.NEGATIVE_INFINITY
/** Hides some keys of some queries, and all of the second. */
const numbers = Array.from({ length: 30 }, (_, index) =>
  index % 4 === 1 || Math.floor(index / 6) === 1 ? infinity : index / 9,
)
/** The same, and the lowest number beside −∞ in the third row, as masks that were added up have it. */
const lowestMask = Tensor.fromNumbers(
  'float32',
  [5, 6],
  numbers.map((number, index) =>
    Math.floor(index / 6) === 2 ? (index % 2 === 0 ? -3.4028234663852886e38 : infinity) : number,
  ),
)
const constantMask = (type: 'float32' | 'float16'): Tensor => Tensor.fromNumbers(type, [5, 6], numbers)
const conditions = (g: GraphBuilder): Value =>
  g.op('Greater', [g.input('m', 'float32', [2, 1, 5, 6]), Tensor.fromNumbers('float32', [5, 1], [0, 9, 0, 0, 0])])
const half = (g: GraphBuilder, number: number): Value => g.constant(number, { type: 'float16' })
const zero = (g: GraphBuilder): Operand => g.constant(0)

interface Parts {
  mask?: (g: GraphBuilder) => Operand
  attend?: boolean
  scale?: number
}

/** Attention of x, of [2, 3, 5, 4], to six keys, rows without a key made zeros. */
const attention =
  ({ mask, attend = true, scale }: Parts): Formula =>
  (g, x) => {
    const products = g.op('MatMul', [x, g.input('k', x.elementType, [2, 3, 4, 6])])
    const scaled = scale === undefined ? products : g.op('Mul', [products, scale])
    const hidden = mask === undefined ? scaled : g.op('Add', [scaled, mask(g)])
    const weights = g.op('Softmax', [hidden], { axis: -1 })
    const safe = g.op('Where', [g.op('IsNaN', [weights]), zero(g), weights])
    return attend ? g.op('MatMul', [safe, g.input('v', x.elementType, [2, 3, 6, 4])]) : safe
  }
const shape = [2, 3, 5, 4]
const types = ['float32'] as const

testLowering('nan-softmax', {
  op: 'IsNaN',
  spellings: {
    'of scores with a mask': { build: attention({ mask: () => constantMask('float32'), scale: 0.5 }), shape, types },
    'with the lowest number and −∞ in one row': { build: attention({ mask: () => lowestMask }), shape, types },
    'in float16': { build: attention({ mask: () => constantMask('float16') }), shape, types: ['float16'] },
    'of scores with a mask of conditions, in opset 20': {
      build: attention({ mask: (g) => g.op('Where', [conditions(g), 0, infinity]) }),
      shape,
      types,
      opset: 20,
    },
    'whose weights are wanted themselves': {
      build: attention({ mask: () => constantMask('float32'), attend: false }),
      shape,
      types,
      opset: 13,
    },
    'with a mask that is made of a causal one and of one for the keys': {
      build: attention({
        mask: (g) => {
          const hidden = g.op('Expand', [g.constant(infinity), int64([5, 6])])
          const causal = g.op('Trilu', [hidden, int64(-1)], { upper: 1 })
          const shown = g.op('Greater', [g.input('keys', 'float32', [2, 1, 1, 6]), 0])
          return g.op('Add', [causal, g.op('Where', [shown, 0, -3.4028234663852886e38])])
        },
      }),
      shape,
      types,
    },
    'with a mask of finite numbers': {
      build: attention({
        mask: (g) => g.op('Where', [conditions(g), 0, -3.4028234663852886e38]),
      }),
      shape,
      types,
    },
    'with a mask of 0 and −10000 in float16': {
      build: attention({
        mask: (g) => {
          const shown = g.op('Cast', [g.op('Greater', [g.input('m', 'float16', [2, 1, 5, 6]), half(g, 0)])], { to: 10 })
          return g.op('Mul', [g.op('Sub', [half(g, 1), shown]), half(g, -10000)])
        },
      }),
      shape,
      types: ['float16'],
    },
    'with the lowest number of float16, which scores take to −∞': {
      build: attention({
        mask: () =>
          Tensor.fromNumbers(
            'float16',
            [5, 6],
            numbers.map((number) => Math.max(number, -65504)),
          ),
        scale: 30,
      }),
      shape,
      types: ['float16'],
    },
    'without a mask': { build: attention({ scale: 0.3 }), shape },
    'of what is no product': {
      build: (g, x) => {
        const scores = g.op('Relu', [g.op('MatMul', [x, g.input('w', 'float32', [6, 6])])])
        const weights = g.op('Softmax', [g.op('Add', [scores, constantMask('float32')])], { axis: -1 })
        return g.op('Where', [g.op('IsNaN', [weights]), 0, weights])
      },
      shape: [5, 6],
      types,
    },
  },
  leftAlone: {
    'a mask that a caller gives': [
      /"m" may hold NaN or \+∞/,
      { build: attention({ mask: (g) => g.input('m', 'float32', [5, 6]) }), shape, types },
    ],
    'a mask in which 0 may meet −∞': [
      /may hold NaN or \+∞/,
      {
        build: attention({
          mask: (g) => g.op('Mul', [g.op('Cast', [conditions(g)], { to: 1 }), infinity]),
        }),
        shape,
        types,
      },
    ],
    'a constant mask with NaN': [
      /may hold NaN or \+∞/,
      {
        build: attention({ mask: () => Tensor.fromNumbers('float32', [6], [0, 0, Number.NaN, 0, 0, 0]) }),
        shape,
        types,
      },
    ],
    'scores that a caller gives': [
      /"x" may hold NaN or \+∞/,
      {
        build: (g, x) => {
          const weights = g.op('Softmax', [x], { axis: -1 })
          return g.op('Where', [g.op('IsNaN', [weights]), 0, weights])
        },
        types,
      },
    ],
    'another axis': [
      /over axis 1, not the last/,
      {
        build: (g, x) => {
          const weights = g.op('Softmax', [x], { axis: 1 })
          return g.op('Where', [g.op('IsNaN', [weights]), 0, weights])
        },
        types,
      },
    ],
  },
  numbers: false,
})
