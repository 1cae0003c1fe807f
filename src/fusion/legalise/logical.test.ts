import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'

const types = ['float32'] as const

for (const [name, op] of [
  ['lower-or', 'Or'],
  ['lower-xor', 'Xor'],
] as const) {
  /** Of x < 0 and x > −½, back as numbers. */
  const logical: Formula = (g, x) => {
    const [a, b] = [g.op('Less', [x, 0]), g.op('Greater', [x, -0.5])]
    return g.op('Cast', [g.op(op, [a, b])], { to: 1 })
  }
  const broadcast: Formula = (g, x) => {
    const one = g.op('Greater', [g.input('z', 'float32', [1, 1, 6]), 0])
    return g.op('Cast', [g.op(op, [g.op('Greater', [x, 0]), one])], { to: 1 })
  }
  testLowering(name, {
    op,
    spellings: {
      'of two conditions': { build: logical, types },
      'in opset 9': { build: logical, opset: 9, types },
      'of what broadcasts': { build: broadcast, types },
      'sizes open': { build: logical, shape: ['n', 'm'], types },
    },
    special: true,
  })
}
