import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { elementTypes } from '../../graph/index.ts'

/** x with a unit matrix like it. */
const withUnit =
  (attributes: Record<string, number> = {}): Formula =>
  (g, x) => {
    const unit = g.op('EyeLike', [x], attributes)
    const to = elementTypes[x.elementType ?? 'float32'].code
    return g.op('Add', [x, attributes.dtype === undefined ? unit : g.op('Cast', [unit], { to })])
  }

testLowering('lower-eye-like', {
  op: 'EyeLike',
  spellings: {
    square: { build: withUnit(), shape: [4, 4] },
    'wide, above the diagonal': { build: withUnit({ k: 1 }), shape: [3, 5] },
    'tall, below the diagonal, of another type': { build: withUnit({ k: -2, dtype: 6 }), shape: [5, 3] },
    'in opset 9': { build: withUnit(), shape: [2, 3], opset: 9 },
  },
  leftAlone: {
    'open sizes': [/its sizes are n and 3/, { build: withUnit(), shape: ['n', 3] }],
    int64: [/no WebGPU kernel for int64/, { build: withUnit({ dtype: 7 }), shape: [3, 3] }],
    'large ones': [/has 90000 elements/, { build: withUnit(), shape: [300, 300] }],
  },
})
