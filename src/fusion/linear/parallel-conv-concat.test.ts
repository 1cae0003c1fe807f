import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const random = new Random(29)
type Attributes = Parameters<GraphBuilder['op']>[2]
type Branch = (g: GraphBuilder, x: Value) => Value

const conv =
  (weight: readonly number[], attributes: Attributes = {}, bias = true): Branch =>
  (g, x) =>
    g.op('Conv', [x, random.tensor(weight), ...(bias ? [random.tensor([weight[0] ?? 1])] : [])], attributes)

const joined = (
  branches: readonly Branch[],
  {
    shape = [2, 3, 6, 6],
    axis = 1,
    ...options
  }: CompareOptions & BuildOptions & { shape?: number[]; axis?: number } = {},
) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', shape)
      g.output(
        'y',
        g.op(
          'Concat',
          branches.map((branch) => branch(g, x)),
          { axis },
        ),
      )
    },
    { only: ['parallel-conv-concat'], ...options },
  )

const then =
  (branch: Branch, op: string, attributes: Attributes = {}): Branch =>
  (g, x) =>
    g.op(op, [branch(g, x)], attributes)

describe('parallel-conv-concat', () => {
  it('makes one convolution of those of one kernel, with and without bias', async () => {
    const attributes = { pads: [1, 0, 1, 0], strides: [2, 1] }
    const branches = [
      conv([2, 3, 3, 3], attributes),
      conv([4, 3, 3, 3], attributes, false),
      conv([1, 3, 3, 3], attributes),
    ]
    const { ops, bytes } = await joined(branches)
    expect(ops).toEqual(['Conv'])
    expect(bytes.after).toBeLessThan(bytes.before)
    expect((await joined(branches, { axis: -3 })).ops).toEqual(['Conv'])
    const plain = await joined([conv([2, 3, 1, 1], {}, false), conv([2, 3, 1, 1], {}, false)])
    expect(plain.ops).toEqual(['Conv'])
  })

  it('keeps the activation that all have', async () => {
    const relu = await joined([then(conv([2, 3, 1, 1]), 'Relu'), then(conv([4, 3, 1, 1]), 'Relu')])
    expect(relu.ops).toEqual(['Conv', 'Relu'])
    const leaky = [
      then(conv([2, 3, 1, 1]), 'LeakyRelu', { alpha: 0.2 }),
      then(conv([4, 3, 1, 1]), 'LeakyRelu', { alpha: 0.2 }),
    ]
    expect((await joined(leaky)).ops).toEqual(['Conv', 'LeakyRelu'])
  })

  it('joins neighbours among others, and keeps the order of the channels', async () => {
    const { ops } = await joined([
      conv([2, 3, 1, 1]),
      conv([2, 3, 1, 1]),
      (_g, x) => x,
      conv([4, 3, 3, 3], { pads: [1, 1, 1, 1] }),
      conv([1, 3, 3, 3], { pads: [1, 1, 1, 1] }),
    ])
    expect(ops).toEqual(['Conv', 'Conv', 'Concat'])
  })

  it('leaves what differs: kernel, attributes, activation, data, groups', async () => {
    const pads = { pads: [1, 1, 1, 1] }
    for (const branches of [
      [conv([2, 3, 3, 3], pads), conv([2, 3, 1, 1])],
      [conv([2, 3, 3, 3], pads), conv([2, 3, 3, 3], { pads: [0, 0, 2, 2] })],
      [then(conv([2, 3, 1, 1]), 'Relu'), conv([2, 3, 1, 1])],
      [then(conv([2, 3, 1, 1]), 'Relu'), then(conv([2, 3, 1, 1]), 'Tanh')],
      [then(conv([2, 3, 1, 1]), 'LeakyRelu', { alpha: 0.2 }), then(conv([2, 3, 1, 1]), 'LeakyRelu', { alpha: 0.3 })],
      [conv([2, 3, 1, 1]), (g: GraphBuilder, x: Value) => conv([2, 3, 1, 1])(g, g.op('Relu', [x]))],
      [conv([3, 1, 1, 1], { group: 3 }), conv([3, 1, 1, 1], { group: 3 })],
    ]) {
      expect((await joined(branches)).report.rewrites).toBe(0)
    }
  })

  it('leaves other axes, computed weights, and branches with other users', async () => {
    const height = await joined([conv([2, 3, 1, 1]), conv([2, 3, 1, 1])], { axis: 2 })
    expect(height.reasons).toEqual(['it does not join the channels'])
    const computed: Branch = (g, x) =>
      g.op('Conv', [x, g.op('Mul', [random.tensor([2, 3, 1, 1]), g.op('ReduceMean', [x])])])
    expect((await joined([conv([2, 3, 1, 1]), computed])).report.rewrites).toBe(0)
    const { reasons } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1, 3, 4, 4])
        const left = g.output('left', conv([2, 3, 1, 1])(g, x))
        g.output('y', g.op('Concat', [left, conv([2, 3, 1, 1])(g, x)], { axis: 1 }))
      },
      { only: ['parallel-conv-concat'] },
    )
    expect(reasons).toEqual(['"left" is an output of its graph'])
  })

  it('computes the same for any kernels', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const settings = fc.record({
      rank: size,
      inputs: size,
      outputs: fc.array(size, { minLength: 2, maxLength: 4 }),
      kernel: size,
      stride: size,
      biases: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      activation: fc.constantFrom(undefined, 'Relu', 'Sigmoid'),
    })
    await fc.assert(
      fc.asyncProperty(settings, async ({ rank, inputs, outputs, kernel, stride, biases, activation }) => {
        const spatial = (value: number) => new Array<number>(rank).fill(value)
        const branches = outputs.map((channels, index) => {
          const branch = conv([channels, inputs, ...spatial(kernel)], { strides: spatial(stride) }, biases[index])
          return activation === undefined ? branch : then(branch, activation)
        })
        const { ops } = await joined(branches, { shape: [1, inputs, ...spatial(6)] })
        expect(ops).toEqual(activation === undefined ? ['Conv'] : ['Conv', activation])
      }),
      { numRuns: 40 },
    )
  })
})
