import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'

/** With an operator that has its kernel before opset 20 only, and one that has it before opset 22. */
const gelu =
  (approximate?: string): Formula =>
  (g, x) => {
    const sampled = g.op('GridSample', [x, g.op('Tanh', [g.input('grid', x.elementType, ['n', 3, 3, 2])])])
    return g.op('Gelu', [sampled], approximate === undefined ? {} : { approximate })
  }
const shape = ['n', 2, 4, 4]

testLowering('lower-gelu', {
  op: 'Gelu',
  spellings: {
    exact: { build: gelu(), opset: 20, shape },
    'by tanh': { build: gelu('tanh'), opset: 20, shape },
    'exact by name, in opset 22': { build: gelu('none'), opset: 22, shape },
  },
  also: ['lower-opset'],
})
