import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testGuard } from '../../../test/support/guard-tests.ts'
import { Random } from '../../../test/support/run-model.ts'
import { elementTypes, Tensor } from '../../graph/index.ts'

const [toHalf, toSingle] = [elementTypes.float16, elementTypes.float32].map(({ code }) => ({ to: code }))

const half = (dims: readonly number[], number: number): Tensor =>
  Tensor.fromNumbers('float16', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(number))

interface HalfConvolution {
  /** What all weights are. */
  weight: number
  /** γ, β, μ, σ² of both channels. */
  parameters: readonly [number, number, number, number]
  kernel?: readonly number[]
  attributes?: Record<string, number | number[]>
}

/** A norm of a float16 convolution from two channels to two, of small numbers. */
const normOfConvolution =
  ({ weight, parameters, kernel = [1, 1], attributes = {} }: HalfConvolution): Formula =>
  (g, x) => {
    const small = g.op('Cast', [g.op('Mul', [x, 1e-3])], toHalf)
    const channels = 2 / Number(attributes.group ?? 1)
    const y = g.op('Conv', [small, half([2, channels, ...kernel], weight)], attributes)
    return g.op('Cast', [g.op('BatchNormalization', [y, ...parameters.map((number) => half([2], number))])], toSingle)
  }

const overflowing = { weight: 60000, parameters: [2, 0, 0, 1] } as const

testGuard('guard-conv-batch-norm', {
  traps: {
    'weights that overflow': { shape: [1, 2, 4, 4], build: normOfConvolution(overflowing) },
    'weights that overflow, of a signal': {
      shape: ['n', 2, 5],
      build: normOfConvolution({ ...overflowing, kernel: [1] }),
    },
    'weights that overflow, in groups, under an older opset': {
      shape: [1, 2, 4, 4],
      opset: 13,
      build: normOfConvolution({ ...overflowing, attributes: { group: 2 } }),
    },
  },
  leftAlone: {
    'weights that stay finite': { shape: [1, 2, 4, 4], build: normOfConvolution({ ...overflowing, weight: 100 }) },
    'a float32 convolution': {
      shape: [1, 2, 4, 4],
      build: (g, x) =>
        g.op('BatchNormalization', [
          g.op('Conv', [x, new Random(3).tensor([4, 2, 1, 1])]),
          ...[1, 2, 3, 4].map((seed) => new Random(seed).tensor([4], 'float32', [0.5, 2])),
        ]),
    },
  },
  refused: {
    'data of unknown rank': [
      /the rank of ".*" is not known/,
      {
        shape: [1, 2, 4, 4],
        build: (g, x) => {
          const image = g.op('Reshape', [g.op('Cast', [x], toHalf), g.input('shape', 'int64', ['rank'])])
          const weight = g.op('Cast', [g.input('weight', 'float32')], toHalf)
          const y = g.op('Conv', [image, weight])
          const norm = [2, 0, 0, 1].map((number) => half([2], number))
          return g.op('Cast', [g.op('BatchNormalization', [y, ...norm])], toSingle)
        },
      },
    ],
  },
  drawn: fc
    .record({
      weight: fc.constantFrom(100, 3000, 30000, 60000),
      parameters: fc.tuple(
        fc.constantFrom(0.5, 2, 4),
        fc.constantFrom(0, 1),
        fc.constantFrom(0, -1),
        fc.constantFrom(0.25, 1, 4),
      ),
      image: fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 2 }),
      group: fc.constantFrom(1, 2),
      opset: fc.constantFrom(13, 17),
    })
    .map(({ weight, parameters, image, group, opset }) => ({
      shape: [1, 2, ...image],
      opset,
      build: normOfConvolution({ weight, parameters, kernel: image.map(() => 1), attributes: { group } }),
    })),
  tolerance: 5e-3,
})
