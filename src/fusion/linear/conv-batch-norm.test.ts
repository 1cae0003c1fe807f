import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalize } from '../../../test/support/batch-norm.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { AttributeValue, GraphBuilder } from '../../graph/index.ts'

const only = ['conv-batch-norm']
const random = new Random(3)

interface Shape {
  input: readonly number[]
  weight: readonly number[]
  attributes?: Record<string, AttributeValue>
  bias?: boolean
}

const convNorm =
  ({ input, weight, attributes = {}, bias = true }: Shape, from = random) =>
  (g: GraphBuilder): void => {
    const channels = weight[0] ?? 0
    const operands = [g.input('x', 'float32', input), from.tensor(weight), ...(bias ? [from.tensor([channels])] : [])]
    g.output('y', normalize(g, g.op('Conv', operands, attributes), channels))
  }

describe('conv-batch-norm folds', () => {
  it.each<[string, Shape]>([
    ['Conv 1d', { input: [2, 3, 9], weight: [5, 3, 3] }],
    ['Conv 2d', { input: [2, 3, 6, 7], weight: [5, 3, 3, 2] }],
    ['Conv 3d', { input: [1, 2, 4, 5, 4], weight: [3, 2, 2, 3, 2] }],
    ['a 1×1 kernel of one channel', { input: [5, 1, 1, 1], weight: [1, 1, 1, 1] }],
    ['grouped', { input: [2, 6, 5, 5], weight: [4, 3, 3, 3], attributes: { group: 2 } }],
    ['depthwise', { input: [2, 4, 5, 5], weight: [4, 1, 3, 3], attributes: { group: 4 } }],
    ['depthwise with a multiplier', { input: [2, 3, 5, 5], weight: [6, 1, 3, 3], attributes: { group: 3 } }],
    ['depthwise 1d', { input: [2, 4, 8], weight: [4, 1, 3], attributes: { group: 4 } }],
    ['pads on one side', { input: [1, 2, 6, 6], weight: [3, 2, 3, 3], attributes: { pads: [0, 1, 2, 0] } }],
    ['strides', { input: [1, 2, 7, 6], weight: [3, 2, 3, 3], attributes: { strides: [2, 1] } }],
    ['dilations', { input: [1, 2, 9, 9], weight: [3, 2, 3, 3], attributes: { dilations: [2, 3] } }],
    ['auto_pad SAME_UPPER', { input: [1, 2, 6, 5], weight: [3, 2, 3, 2], attributes: { auto_pad: 'SAME_UPPER' } }],
    [
      'auto_pad SAME_LOWER',
      { input: [1, 2, 6, 5], weight: [3, 2, 3, 2], attributes: { auto_pad: 'SAME_LOWER', strides: [2, 2] } },
    ],
    ['auto_pad VALID', { input: [1, 2, 6, 5], weight: [3, 2, 3, 2], attributes: { auto_pad: 'VALID' } }],
    ['kernel_shape written', { input: [1, 2, 6, 5], weight: [3, 2, 3, 2], attributes: { kernel_shape: [3, 2] } }],
  ])('%s, with and without a bias', async (_, shape) => {
    for (const bias of [true, false]) {
      const { ops, model } = await fuseGraph(convNorm({ ...shape, bias }), { only })
      expect(ops).toEqual(['Conv'])
      const conv = findNode(model, 'Conv')
      expect([...conv.attributes.keys()]).toEqual(Object.keys(shape.attributes ?? {}))
      expect(conv.inputs).toHaveLength(3)
    }
  })

  it('a bias that is left out by an empty name', async () => {
    const build = (g: GraphBuilder): void => {
      const conv = g.op('Conv', [g.input('x', 'float32', [1, 2, 4, 4]), random.tensor([3, 2, 3, 3]), undefined])
      g.output('y', normalize(g, conv, 3))
    }
    expect((await fuseGraph(build, { only })).ops).toEqual(['Conv'])
  })

  it('any convolution that ONNX allows', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }).chain((rank) => {
          const each = (max: number, min = 1) =>
            fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank })
          const small = rank === 3 ? 2 : 3
          return fc.record({
            batch: fc.integer({ min: 1, max: 2 }),
            group: fc.integer({ min: 1, max: 3 }),
            inputsPerGroup: fc.integer({ min: 1, max: 2 }),
            outputsPerGroup: fc.integer({ min: 1, max: 3 }),
            kernel: each(small),
            extra: each(4, 0),
            strides: each(2),
            dilations: each(2),
            padding: fc.oneof(
              fc.record({
                pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * rank, maxLength: 2 * rank }),
              }),
              fc.constant({ auto_pad: 'VALID' }),
              fc.constant({}),
            ),
            bias: fc.boolean(),
            seed: fc.integer(),
          })
        }),
        async ({
          batch,
          group,
          inputsPerGroup,
          outputsPerGroup,
          kernel,
          extra,
          strides,
          dilations,
          padding,
          bias,
          seed,
        }) => {
          // Large enough for the dilated kernel.
          const size = kernel.map((k, axis) => (k - 1) * (dilations[axis] ?? 1) + 1 + (extra[axis] ?? 0))
          const shape = {
            input: [batch, group * inputsPerGroup, ...size],
            weight: [group * outputsPerGroup, inputsPerGroup, ...kernel],
            attributes: { group, strides, dilations, ...padding },
            bias,
          }
          const { ops } = await fuseGraph(convNorm(shape, new Random(seed)), { only, seed })
          expect(ops).toEqual(['Conv'])
        },
      ),
      { numRuns: 60, seed: 11 },
    ))
})
