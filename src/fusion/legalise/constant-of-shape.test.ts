import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, Tensor } from '../../graph/index.ts'

const types = ['float32'] as const
/** Filled to the shape of x, and added to it. */
const filled =
  (type: ElementType, number?: number): Formula =>
  (g, x) => {
    const value = number === undefined ? {} : { value: Tensor.fromNumbers(type, [1], [number]) }
    const made = g.op('ConstantOfShape', [g.op('Shape', [x])], value)
    return g.op('Add', [x, type === 'float32' ? made : g.op('Cast', [made], { to: elementTypes.float32.code })])
  }

testLowering('lower-constant-of-shape', {
  op: 'ConstantOfShape',
  spellings: {
    'of zeros by default': { build: filled('float32'), types, shape: ['n', 3] },
    'of a number': { build: filled('float32', 1.5), types, shape: ['n', 'm'] },
    'of int32, in opset 9': { build: filled('int32', -2), types, opset: 9, shape: [2, 'm', 3] },
    'of truth': { build: filled('bool', 1), types, opset: 21, shape: ['n'] },
  },
})
