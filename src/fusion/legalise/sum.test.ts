import { testLowering } from '../../../test/support/lowering.ts'

testLowering('lower-sum', {
  op: 'Sum',
  spellings: {
    'of three': (g, x) => g.op('Sum', [x, g.op('Neg', [x]), x]),
    'of what broadcasts': (g, x) => g.op('Sum', [x, [1, 2, 3, 4, 5, 6]]),
    'in opset 8, sizes open': { build: (g, x) => g.op('Sum', [x, x]), opset: 8, shape: ['n', 'm'] },
  },
  leftAlone: {
    'opset 6': [/Add has no WebGPU kernel/, { build: (g, x) => g.op('Sum', [x, x]), opset: 6, types: ['float32'] }],
  },
})
