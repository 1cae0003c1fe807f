import fc from 'fast-check'
import { shapes } from '../../../test/support/drawn-models.ts'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testGuard } from '../../../test/support/guard-tests.ts'
import type { GraphBuilder, Value } from '../../graph/index.ts'

const powerOf = (g: GraphBuilder, x: Value, exponent: number): Value =>
  g.op('ReduceMean', [g.op('Pow', [x, exponent])], { axes: [-1] })

/** A layer normalisation whose variance is the mean of a power. */
const normalised =
  (exponent: number, size: number, absolute = false): Formula =>
  (g, x) => {
    const distance = g.op('Sub', [x, g.op('ReduceMean', [x], { axes: [-1] })])
    const power = powerOf(g, absolute ? g.op('Abs', [distance]) : distance, exponent)
    const result = g.op('Div', [distance, g.op('Sqrt', [g.op('Add', [power, 1e-5])])])
    const weights = Array.from({ length: size }, (_, index) => 1 + index)
    return g.op('Add', [g.op('Mul', [result, weights]), weights.map((weight) => weight % 2)])
  }

testGuard('guard-power-mean', {
  traps: {
    'a fourth power': { shape: [2, 4], build: normalised(4, 4) },
    'a sixth power, of a batch': { shape: ['n', 3, 5], build: normalised(6, 5) },
    'an eighth power, under an older opset': { shape: [2, 4], opset: 13, build: normalised(8, 4) },
  },
  leftAlone: {
    'a layer normalisation': { shape: [2, 4], build: normalised(2, 4) },
    'a mean of something else': { shape: [2, 4], build: (g, x) => g.op('ReduceMean', [g.op('Exp', [x])]) },
  },
  refused: {
    'data of unknown rank': [
      /the rank of ".*" is not known/,
      { shape: [8], build: (g, x) => powerOf(g, g.op('Reshape', [x, g.input('shape', 'int64', ['rank'])]), 4) },
    ],
  },
  drawn: fc
    .record({ exponent: fc.constantFrom(2, 3, 4, 6, 1.5), shape: shapes(), opset: fc.constantFrom(13, 17) })
    .map(({ exponent, shape, opset }) => ({
      shape: [...shape, 4],
      opset,
      build: normalised(exponent, 4, exponent % 2 !== 0),
    })),
})
