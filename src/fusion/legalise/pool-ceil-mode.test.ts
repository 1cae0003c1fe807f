import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fuseFunction } from '../../../test/support/fuse-function.ts'
import { type Spelling, testLowering } from '../../../test/support/lowering.ts'

type Attributes = Readonly<Record<string, number | string | readonly number[]>>
const opset = 22
const pool = (op: string, attributes: Attributes, size = 7): Spelling => ({
  // Beside an operator that has its kernel in an older opset.
  build: (g, x) => g.op('Sin', [g.op(op, [x], { kernel_shape: [3, 3], ceil_mode: 1, ...attributes })]),
  shape: ['n', 2, size, size],
  opset,
})
const twos = { kernel_shape: [2, 2], strides: [2, 2] }

const drawn = fc
  .record({
    op: fc.constantFrom('MaxPool', 'AveragePool'),
    size: fc.integer({ min: 4, max: 9 }),
    kernel: fc.integer({ min: 2, max: 4 }),
    stride: fc.integer({ min: 1, max: 2 }),
    pads: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 4, maxLength: 4 }),
  })
  .map(({ op, size, kernel, stride, pads }) =>
    pool(op, { kernel_shape: [kernel, kernel], strides: [stride, stride], pads }, size),
  )

for (const op of ['MaxPool', 'AveragePool']) {
  testLowering('pool-ceil-mode', {
    spellings: {
      'with a window that reaches beyond': pool(op, twos),
      'with padding': pool(op, { ...twos, kernel_shape: [3, 3], pads: [1, 1, 0, 0] }, 6),
      'with a window that would lie in the padding alone': pool(op, { ...twos, pads: [1, 1, 1, 1] }, 5),
      'with sizes that come out even': { ...pool(op, twos, 6), opset: 23 },
    },
    drawn,
    also: ['lower-opset'],
    leftAlone: {
      'padding that counts': [
        /counts padding/,
        { ...pool('AveragePool', { ...twos, count_include_pad: 1 }), types: ['float32'] },
      ],
      'a kernel with gaps': [
        /of padding for a kernel of 2/,
        pool('MaxPool', { ...twos, dilations: [4, 4], strides: [4, 4] }),
      ],
      'open sizes': [/axis 2 is not known/, { ...pool(op, twos), shape: [1, 2, 'h', 'w'] }],
      'padding that the runtime works out': [/auto_pad is VALID/, pool(op, { ...twos, auto_pad: 'VALID' })],
    },
  })
}

it('pool-ceil-mode takes no number but 1 for a size that is rounded up, as the runtime does', async () => {
  for (const op of ['MaxPool', 'AveragePool']) {
    const fused = fuseFunction(['pool-ceil-mode', 'lower-opset'], [1, 2, 7, 7])
    const { report } = await fused(pool(op, { ...twos, ceil_mode: 2 }).build, { opset })
    expect(report.fusions).not.toHaveProperty('pool-ceil-mode')
  }
})
