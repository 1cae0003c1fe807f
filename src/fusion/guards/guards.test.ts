import { describe, expect, it } from 'vitest'
import { Random, relativeDifference, runModel } from '../../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  int64,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../index.ts'
import { guards } from './index.ts'

const random = new Random(3)
const positive = (channels: number) => random.tensor([channels], 'float32', [0.5, 2])

type Build = (g: GraphBuilder, x: Value) => Value

const batchNorm = (g: GraphBuilder, x: Value, channels: number): Value =>
  g.op('BatchNormalization', [
    x,
    positive(channels),
    random.tensor([channels]),
    random.tensor([channels]),
    positive(channels),
  ])

const half = (dims: readonly number[], number: number): Tensor =>
  Tensor.fromNumbers('float16', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(number))

/** A norm that doubles what a convolution with weights near the largest float16 gives. */
const halfConvNorm: Build = (g, x) => {
  const y = g.op('Conv', [g.op('Cast', [g.op('Mul', [x, 1e-3])], { to: 10 }), half([2, 2, 1, 1], 60000)])
  const norm = g.op('BatchNormalization', [y, half([2], 2), half([2], 0), half([2], 0), half([2], 1)])
  return g.op('Cast', [norm], { to: 1 })
}

const layerNorm =
  (exponent: number): Build =>
  (g, x) => {
    const distance = g.op('Sub', [x, g.op('ReduceMean', [x], { axes: [-1] })])
    const power = g.op('ReduceMean', [g.op('Pow', [distance, exponent])], { axes: [-1] })
    const normalised = g.op('Div', [distance, g.op('Sqrt', [g.op('Add', [power, 1e-5])])])
    return g.op('Add', [g.op('Mul', [normalised, [1, 2, 3, 4]]), [0, 1, 0, 1]])
  }

const belowZero = (g: GraphBuilder, x: Value): Value => g.op('Sub', [g.op('Neg', [g.op('Abs', [x])]), 1])

const traps: [fusion: string, what: string, shape: readonly (number | string)[], build: Build][] = [
  [
    'guard-pad-pool',
    'zeros around what is negative',
    [1, 2, 5, 5],
    (g, x) =>
      g.op('MaxPool', [g.op('Pad', [belowZero(g, x), int64([0, 0, 1, 1, 0, 0, 1, 1])])], { kernel_shape: [3, 3] }),
  ],
  [
    'guard-pad-pool',
    'zeros written out, in one dimension',
    ['n', 2, 5],
    (g, x) => g.op('MaxPool', [g.op('Pad', [belowZero(g, x), int64([0, 0, 2, 0, 0, 0]), 0])], { kernel_shape: [3] }),
  ],
  [
    'guard-matmul-batch-norm',
    'a norm behind a Transpose',
    [4, 4],
    (g, x) => batchNorm(g, g.op('Transpose', [g.op('MatMul', [x, random.tensor([4, 4])])], { perm: [1, 0] }), 4),
  ],
  [
    'guard-matmul-batch-norm',
    'a norm behind a Reshape',
    [4, 6],
    (g, x) => batchNorm(g, g.op('Reshape', [g.op('MatMul', [x, random.tensor([6, 4])]), int64([2, 4, 2])]), 4),
  ],
  ['guard-power-mean', 'a fourth power', [2, 4], layerNorm(4)],
  ['guard-conv-batch-norm', 'weights that overflow', [1, 2, 4, 4], halfConvNorm],
]

const bytesOf = (model: Parameters<typeof encode>[0]) => concatenate(encode(model).chunks)

describe('guards', () => {
  it('are tested each', () => {
    expect([...new Set(traps.map(([name]) => name))].sort()).toEqual(guards.map(({ name }) => name).sort())
  })

  it.each(traps)('%s: %s', async (name, _what, shape, build) => {
    const model = decode(bytesOf(buildModel((g) => g.output('y', build(g, g.input('x', 'float32', shape))))))
    const { model: fused, report } = fuse(model)
    expect(report.fusions[name]).toBe(1)
    const x = new Random(1).tensor(shape.map((dim) => (typeof dim === 'number' ? dim : 2)))
    const expected = (await runModel(bytesOf(model), { x })).y
    const error = async (bytes: Uint8Array, level: 'disabled' | 'all'): Promise<number> => {
      const actual = (await runModel(bytes, { x }, level)).y
      return expected && actual ? relativeDifference(expected, actual) : Number.NaN
    }
    // The trap is there: a release of the runtime without it makes the guard needless.
    expect(await error(bytesOf(model), 'all')).toBeGreaterThan(1e-2)
    expect(await error(bytesOf(fused), 'all')).toBeLessThan(1e-5)
    expect(await error(bytesOf(fused), 'disabled')).toBeLessThan(1e-5)
    expect(fuse(model, { target: 'onnx' }).report.fusions[name]).toBe(undefined)
  })

  it.each<[string, readonly number[], Build]>([
    [
      'padding with what is no zero',
      [1, 2, 5, 5],
      (g, x) => g.op('MaxPool', [g.op('Pad', [x, int64([0, 0, 1, 1, 0, 0, 1, 1]), -7])], { kernel_shape: [3, 3] }),
    ],
    ['a layer normalisation', [2, 4], layerNorm(2)],
    ['a norm of a product itself', [4, 6], (g, x) => batchNorm(g, g.op('MatMul', [x, random.tensor([6, 4])]), 4)],
    ['a float32 convolution', [1, 2, 4, 4], (g, x) => batchNorm(g, g.op('Conv', [x, random.tensor([4, 2, 1, 1])]), 4)],
  ])('leave %s alone', (_what, shape, build) => {
    const { report } = fuse(buildModel((g) => g.output('y', build(g, g.input('x', 'float32', shape)))))
    for (const { name } of guards) expect(report.fusions[name]).toBe(undefined)
  })
})
