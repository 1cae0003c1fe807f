import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, Tensor } from '../../graph/index.ts'

const power =
  (type: ElementType, ...exponents: number[]): Formula =>
  (g, x) =>
    g.op('Pow', [
      g.op('Abs', [x]),
      Tensor.fromNumbers(type, exponents.length === 1 ? [] : [exponents.length], exponents),
    ])

testLowering('pow-exponent', {
  spellings: {
    'of int64': power('int64', 3),
    'of float64, in opset 13': { build: power('float64', 1.5), opset: 13 },
    'of int64, one for each column': { build: power('int64', 1, 2, 3, 0), shape: ['n', 4] },
  },
  leftAlone: {
    'a number that float32 does not hold': [/float32 does not hold its exponent/, power('float64', 1 / 3)],
    'one that is an input': [
      /computed, not a constant/,
      (g, x) => g.op('Pow', [g.op('Abs', [x]), g.input('p', 'int64', [])]),
    ],
  },
  numbers: fc.float({ noNaN: true, min: -8, max: 8 }),
})
