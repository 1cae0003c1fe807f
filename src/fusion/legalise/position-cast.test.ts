import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, int64 } from '../../graph/index.ts'

const types = ['float32'] as const
const cast =
  (op: string, to: ElementType, axis = 1): Formula =>
  (g, x) => {
    const found = g.op('Cast', [g.op(op, [x], { axis, keepdims: 0 })], { to: elementTypes[to].code })
    return to === 'float32' ? found : g.op('Cast', [found], { to: elementTypes.float32.code })
  }
const largest: Formula = (g, x) => {
  const found = g.node('TopK', [x, int64([3])], { axis: 2 }, { outputs: 2 })
  const [values = x, places = x] = found.outputs
  return g.op('Mul', [values, g.op('Cast', [places], { to: elementTypes.float32.code })])
}

testLowering('position-cast', {
  spellings: {
    'ArgMax as int32': { build: cast('ArgMax', 'int32'), types },
    'ArgMin as float32, in opset 12': { build: cast('ArgMin', 'float32'), types, opset: 12 },
    'ArgMax as float16, other sizes open': { build: cast('ArgMax', 'float16'), types, shape: ['n', 4, 'w'] },
    'the positions of TopK': { build: largest, types },
    'ArgMax over an axis from the end': { build: cast('ArgMax', 'int32', -1), types, opset: 21 },
  },
})
