import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectLeftAlone, normalize } from '../../../test/support/batch-norm.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { AttributeValue, GraphBuilder } from '../../graph/index.ts'

const only = ['conv-transpose-batch-norm']
const random = new Random(3)

interface Shape {
  input: readonly number[]
  /** [C_in, C_out/group, …] */
  weight: readonly number[]
  attributes?: Record<string, AttributeValue>
  group?: number
  bias?: boolean
}

const transposeNorm =
  ({ input, weight, attributes = {}, group = 1, bias = true }: Shape, from = random) =>
  (g: GraphBuilder): void => {
    const channels = (weight[1] ?? 0) * group
    const operands = [g.input('x', 'float32', input), from.tensor(weight), ...(bias ? [from.tensor([channels])] : [])]
    g.output('y', normalize(g, g.op('ConvTranspose', operands, { group, ...attributes }), channels))
  }

describe('conv-transpose-batch-norm folds', () => {
  it.each<[string, Shape]>([
    ['1d', { input: [2, 3, 5], weight: [3, 4, 3] }],
    ['2d', { input: [2, 3, 4, 5], weight: [3, 4, 2, 3] }],
    ['3d', { input: [1, 2, 3, 2, 3], weight: [2, 3, 2, 2, 2] }],
    ['grouped', { input: [2, 6, 4, 4], weight: [6, 2, 3, 3], group: 3 }],
    ['depthwise', { input: [2, 4, 4, 4], weight: [4, 1, 3, 3], group: 4 }],
    ['as many inputs as outputs, which hides a wrong axis', { input: [2, 4, 4, 4], weight: [4, 4, 3, 3] }],
    [
      'grouped with strides and output_padding',
      {
        input: [1, 4, 3, 3],
        weight: [4, 3, 3, 3],
        group: 2,
        attributes: { strides: [2, 2], output_padding: [1, 1], pads: [1, 1, 1, 1] },
      },
    ],
    [
      'output_padding past the kernel’s reach',
      { input: [1, 2, 3, 3], weight: [2, 3, 1, 1], attributes: { strides: [3, 3], output_padding: [2, 1] } },
    ],
    ['dilations', { input: [1, 2, 4, 4], weight: [2, 3, 2, 2], attributes: { dilations: [2, 2] } }],
    [
      'output_shape',
      { input: [1, 2, 3, 3], weight: [2, 3, 3, 3], attributes: { strides: [2, 2], output_shape: [6, 6] } },
    ],
    [
      'auto_pad',
      { input: [1, 2, 3, 3], weight: [2, 3, 3, 3], attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' } },
    ],
  ])('%s, with and without a bias', async (_, shape) => {
    for (const bias of [true, false]) {
      const { ops, model } = await fuseGraph(transposeNorm({ ...shape, bias }), { only })
      expect(ops).toEqual(['ConvTranspose'])
      expect(findNode(model, 'ConvTranspose').inputs[1]?.shape).toEqual(shape.weight)
    }
  })

  it('any transposed convolution that ONNX allows', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }).chain((rank) => {
          const each = (max: number, min = 1) =>
            fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank })
          return fc.record({
            batch: fc.integer({ min: 1, max: 2 }),
            group: fc.integer({ min: 1, max: 3 }),
            inputsPerGroup: fc.integer({ min: 1, max: 2 }),
            outputsPerGroup: fc.integer({ min: 1, max: 3 }),
            kernel: each(rank === 3 ? 2 : 3),
            size: each(3),
            strides: each(2),
            wider: each(1, 0),
            bias: fc.boolean(),
            seed: fc.integer(),
          })
        }),
        async ({ batch, group, inputsPerGroup, outputsPerGroup, kernel, size, strides, wider, bias, seed }) => {
          const shape = {
            input: [batch, group * inputsPerGroup, ...size],
            weight: [group * inputsPerGroup, outputsPerGroup, ...kernel],
            group,
            // Output padding must be below the stride.
            attributes: {
              strides,
              output_padding: wider.map((more, axis) => Math.min(more, (strides[axis] ?? 1) - 1)),
            },
            bias,
          }
          const { ops } = await fuseGraph(transposeNorm(shape, new Random(seed)), { only, seed })
          expect(ops).toEqual(['ConvTranspose'])
        },
      ),
      { numRuns: 60, seed: 12 },
    ))
})

it.each([
  ['a number of inputs that the groups do not divide', [5, 2, 2, 2], 2, 4],
  ['no groups', [4, 2, 2, 2], 0, 4],
  ['fewer channels than the batch norm', [4, 1, 2, 2], 2, 4],
])('conv-transpose-batch-norm leaves alone %s', (_, weight, group, channels) =>
  expectLeftAlone(
    'conv-transpose-batch-norm',
    (g) => {
      const x = g.input('x', 'float32', [1, weight[0] ?? 1, 3, 3])
      g.output('y', normalize(g, g.op('ConvTranspose', [x, random.tensor(weight)], { group }), channels))
    },
    /4 channels do not fit weights of dims .* groups/,
    { run: false },
  ),
)
