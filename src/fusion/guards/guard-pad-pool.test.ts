import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testGuard } from '../../../test/support/guard-tests.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const belowZero = (g: GraphBuilder, x: Value): Value => g.op('Sub', [g.op('Neg', [g.op('Abs', [x])]), 1])

const pooled =
  (pads: readonly number[], attributes: Record<string, number | number[]>, op = 'MaxPool', value?: number): Formula =>
  (g, x) =>
    g.op(op, [g.op('Pad', [belowZero(g, x), int64(pads), ...(value === undefined ? [] : [value])])], attributes)

const around = [0, 0, 1, 1, 0, 0, 1, 1]

testGuard('guard-pad-pool', {
  traps: {
    'zeros around what is negative': { shape: [1, 2, 5, 5], build: pooled(around, { kernel_shape: [3, 3] }) },
    'zeros written out, in one dimension': {
      shape: ['n', 2, 5],
      build: pooled([0, 0, 2, 0, 0, 0], { kernel_shape: [3] }, 'MaxPool', 0),
    },
    'an older opset': {
      shape: [1, 2, 5, 5],
      opset: 9,
      build: (g, x) => g.op('MaxPool', [g.op('Pad', [belowZero(g, x)], { pads: around })], { kernel_shape: [3, 3] }),
    },
    'an average that rounds its size up': {
      shape: [1, 2, 5, 5],
      build: pooled(
        around,
        { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1, count_include_pad: 1 },
        'AveragePool',
      ),
    },
    'an average whose padding is as wide as its kernel, which then does not load': {
      shape: [1, 2, 5, 5],
      build: pooled([0, 0, 2, 0, 0, 0, 1, 0], { kernel_shape: [2, 2], count_include_pad: 1 }, 'AveragePool'),
    },
  },
  leftAlone: {
    'padding with what is no zero': {
      shape: [1, 2, 5, 5],
      build: pooled(around, { kernel_shape: [3, 3] }, 'MaxPool', -7),
    },
    'a pool without padding': { shape: [1, 2, 5, 5], build: (g, x) => g.op('MaxPool', [x], { kernel_shape: [3, 3] }) },
    'an average that rounds its size down': {
      shape: [1, 2, 5, 5],
      build: pooled(around, { kernel_shape: [3, 3], count_include_pad: 1 }, 'AveragePool'),
    },
  },
  refused: {
    'an image of unknown rank': [
      /the rank of ".*" is not known/,
      {
        shape: [1, 2, 5, 5],
        build: (g, x) => {
          const image = g.op('Reshape', [x, g.input('shape', 'int64', ['rank'])])
          return g.op('MaxPool', [g.op('Pad', [image, int64(around)])], { kernel_shape: [3, 3] })
        },
      },
    ],
  },
  drawn: fc
    .record({
      op: fc.constantFrom('MaxPool', 'MaxPool', 'AveragePool'),
      image: fc.array(fc.integer({ min: 4, max: 6 }), { minLength: 1, maxLength: 2 }),
      amount: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })),
      kernel: fc.integer({ min: 1, max: 3 }),
      own: fc.nat({ max: 1 }),
      stride: fc.integer({ min: 1, max: 3 }),
      ceil_mode: fc.constantFrom(0, 1),
      count_include_pad: fc.constantFrom(0, 1),
      value: fc.constantFrom(undefined, 0, -20),
    })
    .map(({ op, image, amount: [begin, end], kernel, own, stride, ceil_mode, count_include_pad, value }) => {
      const all = (number: number): number[] => image.map(() => number)
      const pads = [...all(own), ...all(own)].map((amount) => Math.min(amount, kernel - 1))
      const attributes = { kernel_shape: all(kernel), strides: all(stride), pads, ceil_mode }
      return {
        shape: [1, 2, ...image],
        build: pooled(
          [0, 0, ...all(begin), 0, 0, ...all(end)],
          op === 'MaxPool' ? attributes : { ...attributes, count_include_pad },
          op,
          value,
        ),
      }
    }),
})
