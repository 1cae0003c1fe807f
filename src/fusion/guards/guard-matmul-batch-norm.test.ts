import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testGuard } from '../../../test/support/guard-tests.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(3)
const positive = (channels: number): Tensor => random.tensor([channels], 'float32', [0.5, 2])

const batchNorm = (
  g: GraphBuilder,
  x: Value,
  channels: number,
  attributes: Record<string, number> = {},
  variance: Operand = positive(channels),
): Value =>
  g.op(
    'BatchNormalization',
    [x, positive(channels), random.tensor([channels]), random.tensor([channels]), variance],
    attributes,
  )

const transposed =
  (rows: number, columns: number, epsilon = 1e-5): Formula =>
  (g, x) =>
    batchNorm(g, g.op('Transpose', [g.op('MatMul', [x, random.tensor([columns, columns])])]), rows, { epsilon })

const reshaped =
  (rows: number, inner: number, shape: readonly number[]): Formula =>
  (g, x) =>
    batchNorm(
      g,
      g.op('Reshape', [
        g.op('MatMul', [x, random.tensor([inner, shape.reduce((a, b) => a * b, 1) / rows])]),
        int64(shape),
      ]),
      shape[1] ?? 1,
    )

testGuard('guard-matmul-batch-norm', {
  traps: {
    'a norm behind a Transpose': { shape: [4, 4], build: transposed(4, 4) },
    'a norm behind a Reshape': { shape: [4, 6], build: reshaped(4, 6, [2, 4, 2]) },
    'a norm behind both, under an older opset': {
      shape: [4, 4],
      opset: 13,
      build: (g, x) => {
        const product = g.op('MatMul', [x, random.tensor([4, 4])])
        return batchNorm(g, g.op('Reshape', [g.op('Transpose', [product]), int64([4, 4, 1])]), 4)
      },
    },
  },
  leftAlone: {
    'a norm of a product itself': {
      shape: [4, 6],
      build: (g, x) => batchNorm(g, g.op('MatMul', [x, random.tensor([6, 4])]), 4),
    },
    'a norm behind a Transpose of something else': {
      shape: [4, 4],
      build: (g, x) => batchNorm(g, g.op('Transpose', [g.op('Neg', [x])]), 4),
    },
  },
  refused: {
    'data of unknown rank': [
      /the rank of ".*" is not known/,
      {
        shape: [4, 6],
        build: (g, x) => {
          const product = g.op('MatMul', [x, random.tensor([6, 4])])
          return batchNorm(g, g.op('Reshape', [product, g.input('shape', 'int64', ['rank'])]), 4)
        },
      },
    ],
    'a norm that trains': [
      /training mode/,
      {
        shape: [4, 4],
        build: (g, x) =>
          batchNorm(g, g.op('Transpose', [g.op('MatMul', [x, random.tensor([4, 4])])]), 4, { training_mode: 1 }),
      },
    ],
    'a variance that is negative': [
      /no finite scale and shift/,
      {
        shape: [4, 4],
        build: (g, x) =>
          batchNorm(
            g,
            g.op('Transpose', [g.op('MatMul', [x, random.tensor([4, 4])])]),
            4,
            {},
            Tensor.fromNumbers('float32', [4], [1, 1, -1, 1]),
          ),
      },
    ],
  },
  drawn: fc
    .record({
      rows: fc.integer({ min: 2, max: 4 }),
      columns: fc.integer({ min: 2, max: 4 }),
      epsilon: fc.constantFrom(1e-5, 1e-3, 0.1),
      rank: fc.constantFrom(2, 3, 4),
      opset: fc.constantFrom(9, 13, 17),
    })
    .map(({ rows, columns, epsilon, rank, opset }) => ({
      shape: [rows, columns],
      opset,
      build:
        rank === 2
          ? transposed(rows, columns, epsilon)
          : reshaped(rows, columns, [1, rows, columns, ...(rank === 4 ? [1] : [])]),
    })),
})
