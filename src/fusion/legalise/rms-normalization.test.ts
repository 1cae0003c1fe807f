import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { int64 } from '../../graph/index.ts'

const opset = 23
const scale = [0.5, 2, 1, 3, -1, 0.25]

/** With an operator that has its kernel in an older opset. */
const norm =
  (attributes: Record<string, number> = {}): Formula =>
  (g, x) =>
    g.op('RMSNormalization', [g.op('Sin', [x]), scale], attributes)

testLowering('lower-rms-normalization', {
  op: 'RMSNormalization',
  spellings: {
    'over the last axis': { build: norm(), opset },
    'over an axis from 0, sizes open': { build: norm({ axis: 2, epsilon: 0.1 }), opset, shape: ['n', 'm', 6] },
    'over two axes, in opset 24': {
      build: (g, x) => {
        const gamma = g.input('gamma', x.elementType, [2, 6])
        return g.op('RMSNormalization', [g.op('Sin', [x]), gamma], { axis: -2 })
      },
      opset: 24,
      shape: ['n', 2, 6],
    },
  },
  also: ['lower-opset'],
  leftAlone: {
    'a scale that is broadcast': [
      /its scale is not of shape \[4, 6\]/,
      { build: (g, x) => g.op('RMSNormalization', [g.op('Sin', [x]), scale], { axis: -2 }), opset, shape: [3, 4, 6] },
    ],
    'an unknown rank': [
      /rank of .* is not known/,
      {
        build: (g, x) => g.op('Sin', [g.op('RMSNormalization', [g.op('Reshape', [x, g.input('to', 'int64')]), scale])]),
        opset,
        feeds: { to: int64([48, 6]) },
      },
    ],
  },
})
