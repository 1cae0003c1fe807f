import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const types = ['float32'] as const
const cast = (g: GraphBuilder, x: Value, type: ElementType): Value => g.op('Cast', [x], { to: elementTypes[type].code })
/** Whether x is above 0, as int64. */
const flags = (g: GraphBuilder, x: Value): Value => cast(g, g.op('Greater', [x, 0]), 'int64')
/** The whole parts of 5·x, that are any int32, as int64. */
const wholes = (g: GraphBuilder, x: Value): Value => cast(g, cast(g, g.op('Mul', [x, 5]), 'int32'), 'int64')
const table = Tensor.fromNumbers(
  'float32',
  [16, 2],
  Float32Array.from({ length: 32 }, (_, index) => index / 7),
)

/** Where tokens are, as RoBERTa counts them: how many are up to each, and one more. */
const places: Formula = (g, x) => {
  const shown = flags(g, x)
  const counted = g.op('Mul', [g.op('CumSum', [shown, int64(1)]), shown])
  return g.op('Gather', [table, g.op('Add', [counted, int64([1])])])
}
const bounded: Formula = (g, x) =>
  cast(g, g.op('Mul', [g.op('ReduceSum', [flags(g, x), int64([1])]), int64(3)]), 'float32')
const position =
  (op: string, to: ElementType, axis = 1): Formula =>
  (g, x) => {
    const found = cast(g, g.op(op, [x], { axis, keepdims: 0 }), to)
    return to === 'float32' ? found : cast(g, found, 'float32')
  }
const largest: Formula = (g, x) => {
  const [values = x, found = x] = g.node('TopK', [x, int64([3])], { axis: 2 }, { outputs: 2 }).outputs
  return g.op('Mul', [values, cast(g, found, 'float32')])
}
const wrapping: Formula = (g, x) =>
  cast(g, cast(g, g.op('Mul', [g.op('Add', [wholes(g, x), int64(2 ** 30)]), int64(12345)]), 'int32'), 'float32')
const moved: Formula = (g, x) => {
  const rows = g.op('Transpose', [g.op('Unsqueeze', [flags(g, x), int64([0])])], { perm: [0, 2, 1] })
  return g.op('Gather', [table, g.op('Where', [g.op('Less', [rows, int64(1)]), int64(5), int64(7)])])
}
const elements: Formula = (g, x) => g.op('GatherElements', [x, g.op('Sub', [flags(g, x), int64(1)])], { axis: 1 })

testLowering('int64-island', {
  spellings: {
    'that counts, as indices': { build: places, types, shape: [2, 5] },
    'that counts over an open length, as indices': { build: places, types, shape: ['n', 'm'], opset: 14 },
    'that is bounded, as floats': { build: bounded, types, shape: [3, 7] },
    'that is beyond int32, as int32': { build: wrapping, types, shape: [2, 5] },
    'that is moved, compared and chosen': { build: moved, types, shape: [2, 5] },
    'that is indices of elements, below 0': { build: elements, types, shape: [2, 5], opset: 21 },
    'that is int32 as it is, as indices': {
      build: (g, x) => g.op('Gather', [table, cast(g, g.op('ArgMax', [x], { axis: 1 }), 'int32')]),
      types,
      shape: [4, 6],
    },
    'that is compared': {
      build: (g, x) => cast(g, g.op('Equal', [g.op('ArgMax', [x], { axis: 1 }), int64(2)]), 'float32'),
      types,
      shape: [4, 3],
    },
    'of ArgMax, as int32': { build: position('ArgMax', 'int32'), types },
    'of ArgMin, as float32, in opset 12': { build: position('ArgMin', 'float32'), types, opset: 12 },
    'of ArgMax, as float16, other sizes open': { build: position('ArgMax', 'float16'), types, shape: ['n', 4, 'w'] },
    'of ArgMax over an axis from the end': { build: position('ArgMax', 'int32', -1), types, opset: 21 },
    'of TopK': { build: largest, types },
  },
  leftAlone: {
    'what may be beyond int32, as a float': [
      /may be beyond int32/,
      { build: (g, x) => cast(g, g.op('Add', [wholes(g, x), int64(1)]), 'float32'), types, shape: [5] },
    ],
    'what may be beyond int32, compared on the way': [
      /compares what may be beyond int32/,
      {
        build: (g, x) =>
          cast(g, cast(g, g.op('Max', [g.op('Mul', [wholes(g, x), int64(2)]), int64(0)]), 'int32'), 'float32'),
        types,
        shape: [5],
      },
    ],
    'a count over an open length, as a float': [
      /may be beyond int32/,
      { build: (g, x) => cast(g, g.op('CumSum', [flags(g, x), int64(0)]), 'float32'), types, shape: ['m'] },
    ],
  },
  tolerance: 0,
  numbers: fc.integer({ min: -99, max: 99 }),
})
