import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, int64, type Value } from '../../graph/index.ts'

const types = ['float32'] as const
type Bounds = readonly number[]

/** Of 9·x as integers, back as floats. */
const slice =
  (starts: Bounds, ends: Bounds, axes?: Bounds, steps?: Bounds, type: ElementType = 'int32'): Formula =>
  (g, x) => {
    const cast = (value: Value, to: ElementType): Value => g.op('Cast', [value], { to: elementTypes[to].code })
    const whole = cast(g.op('Mul', [type === 'uint32' ? g.op('Abs', [x]) : x, 9]), type)
    const cut = g.op('Slice', [whole, int64(starts), int64(ends), axes && int64(axes), steps && int64(steps)])
    return cast(cut, 'float32')
  }
const bound = fc.integer({ min: -9, max: 9 })

testLowering('integer-slice', {
  op: 'Slice',
  spellings: {
    'of int32 along one axis': { build: slice([1], [3], [1]), types },
    'of int32 along two axes, backwards': { build: slice([4, 0], [-9, 5], [-1, 2], [-2, 1]), types },
    'of int32, backwards to an end that is not given': { build: slice([-1], [2 ** 31 - 1], [1], [-2]), types },
    'of uint32, without axes, in opset 11': {
      build: slice([0, 1], [1, 9], undefined, undefined, 'uint32'),
      types,
      opset: 11,
    },
    'of the rest of an axis, others open': { build: slice([2], [2 ** 31], [1]), types, shape: ['n', 5, 'm'] },
  },
  drawn: fc
    .record({ start: bound, end: bound, step: fc.constantFrom(1, 2, 3, -1, -2), size: fc.integer({ min: 1, max: 7 }) })
    .map(({ start, end, step, size }) => ({ build: slice([start], [end], [1], [step]), types, shape: [2, size] })),
  leftAlone: {
    'an open size': [/size of axis 1 is m/, { build: slice([0], [2], [1]), types, shape: ['n', 'm'] }],
    'bounds that are inputs': [
      /bounds are not known/,
      {
        build: (g, x) => {
          const whole = g.op('Cast', [x], { to: elementTypes.int32.code })
          return g.op('Slice', [whole, g.input('starts', 'int64', [1]), int64([9])])
        },
        types,
        feeds: { starts: int64([1]) },
      },
    ],
    'as many positions as a constant should not hold': [
      /takes 5000 along axis 0/,
      { build: slice([0], [5000]), types, shape: [6000] },
    ],
  },
  numbers: fc.integer({ min: -99, max: 99 }),
})
