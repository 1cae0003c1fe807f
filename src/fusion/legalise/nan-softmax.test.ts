import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type GraphBuilder, type Operand, Tensor, type Value } from '../../graph/index.ts'

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
    'without a mask': { build: attention({ scale: 0.3 }), shape },
    'of what is no product': {
      build: (g, x) => {
        const weights = g.op('Softmax', [g.op('Add', [g.op('Relu', [x]), constantMask('float32')])], { axis: -1 })
        return g.op('Where', [g.op('IsNaN', [weights]), 0, weights])
      },
      shape: [5, 6],
      types,
    },
  },
  leftAlone: {
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
