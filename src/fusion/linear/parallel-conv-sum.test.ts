import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const random = new Random(28)
type Attributes = Parameters<GraphBuilder['op']>[2]
type Branch = (g: GraphBuilder, x: Value) => Value

const conv =
  (weight: readonly number[], attributes: Attributes = {}, bias = true): Branch =>
  (g, x) =>
    g.op('Conv', [x, random.tensor(weight), ...(bias ? [random.tensor([weight[0] ?? 1])] : [])], attributes)

const batchNorm: Branch = (g, x) => {
  const channels = Number(x.shape?.[1])
  const vector = () => random.tensor([channels])
  return g.op('BatchNormalization', [x, vector(), vector(), vector(), random.tensor([channels], 'float32', [0.5, 2])])
}

const itself: Branch = (_g, x) => x

const sum = (
  branches: readonly Branch[],
  {
    shape = [2, 4, 6, 6],
    op = 'Add',
    ...options
  }: CompareOptions & BuildOptions & { shape?: readonly (number | string)[]; op?: 'Add' | 'Sum' } = {},
) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', shape)
      const values = branches.map((branch) => branch(g, x))
      g.output('y', op === 'Sum' ? g.op('Sum', values) : values.reduce((left, right) => g.op('Add', [left, right])))
    },
    { only: ['parallel-conv-sum'], ...options },
  )

const padded = { pads: [1, 1, 1, 1] }

describe('parallel-conv-sum', () => {
  it('makes one convolution of the branches of RepVGG: 3×3, 1×1 and a batch norm, in any order', async () => {
    const branches = [conv([4, 4, 3, 3], padded), conv([4, 4, 1, 1]), batchNorm]
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const ordered = order.map((index) => branches[index] ?? itself)
      const { ops, bytes } = await sum(ordered)
      expect(ops).toEqual(['Conv'])
      expect(bytes.after).toBeLessThan(bytes.before)
      expect((await sum(ordered, { op: 'Sum' })).ops).toEqual(['Conv'])
    }
  })

  it('adds the data itself, and data scaled in any spelling', async () => {
    for (const branch of [
      itself,
      (g: GraphBuilder, x: Value) => g.op('Mul', [x, random.tensor([4, 1, 1])]),
      (g: GraphBuilder, x: Value) => g.op('Sub', [2, x]),
      (g: GraphBuilder, x: Value) => g.op('Neg', [x]),
    ]) {
      expect((await sum([conv([4, 4, 3, 3], padded), branch])).ops).toEqual(['Conv'])
      const grouped = [branch, conv([4, 2, 3, 3], { ...padded, group: 2 })]
      expect((await sum(grouped)).ops).toEqual(['Conv'])
      const depthwise = [conv([4, 1, 3, 3], { ...padded, group: 4 }), branch]
      expect((await sum(depthwise)).ops).toEqual(['Conv'])
    }
  })

  it('lays kernels over one another with strides, dilations and pads of their own', async () => {
    const strided = [conv([4, 4, 3, 3], { ...padded, strides: [2, 2] }), conv([4, 4, 1, 1], { strides: [2, 2] })]
    expect((await sum(strided)).ops).toEqual(['Conv'])
    const dilated = [
      conv([3, 4, 5, 5], { pads: [2, 2, 2, 2] }),
      conv([3, 4, 3, 3], { pads: [2, 2, 2, 2], dilations: [2, 2] }, false),
    ]
    expect((await sum(dilated)).ops).toEqual(['Conv'])
    const lopsided = [conv([3, 4, 2, 3], { pads: [0, 1, 1, 1] }), conv([3, 4, 1, 1])]
    expect((await sum(lopsided)).ops).toEqual(['Conv'])
    const signal = [conv([2, 3, 3], { pads: [1, 1] }), conv([2, 3, 1])]
    expect((await sum(signal, { shape: [1, 3, 7] })).ops).toEqual(['Conv'])
  })

  it('takes two of three summands where the third is something else', async () => {
    const branches: Branch[] = [conv([4, 4, 3, 3], padded), conv([4, 4, 1, 1]), (g, x) => g.op('Sin', [x])]
    expect((await sum(branches, { op: 'Sum' })).ops.sort()).toEqual(['Conv', 'Sin', 'Sum'])
  })

  it('leaves kernels that do not lie on one another, other strides, groups and output sizes', async () => {
    for (const [branches, reason] of [
      [[conv([4, 4, 3, 3], { pads: [0, 0, 2, 2] }), conv([4, 4, 2, 2], { pads: [1, 1, 0, 0] })], /do not lie on/],
      [[conv([4, 4, 3, 3], { pads: [2, 2, 2, 2], dilations: [2, 2] }), conv([4, 4, 3, 3], padded)], /do not lie on/],
      [[conv([4, 4, 3, 3], padded), conv([4, 2, 1, 1], { group: 2 })], /different groups/],
    ] as const) {
      const { ops, reasons } = await sum(branches)
      expect(ops).toEqual(['Conv', 'Conv', 'Add'])
      expect(reasons[0]).toMatch(reason)
    }
    const single = { shape: [1, 2, 1, 1] }
    const strides = await sum([conv([3, 2, 1, 1], { strides: [2, 2] }), conv([3, 2, 1, 1])], single)
    expect(strides.reasons[0]).toMatch(/different strides/)
    // Outputs of 1×1 and 3×3: the first is stretched.
    const sizes = await sum([conv([3, 2, 3, 3]), conv([3, 2, 1, 1])], { shape: [1, 2, 3, 3] })
    expect(sizes.reasons[0]).toMatch(/outputs of different sizes/)
  })

  it('leaves a branch of one channel, which is stretched, and data whose channels are not known', async () => {
    const stretched = await sum([conv([4, 4, 3, 3], padded), conv([1, 4, 1, 1])])
    expect(stretched.reasons[0]).toMatch(/is stretched/)
    const narrower = await sum([conv([4, 1, 3, 3], padded), itself], { shape: [2, 1, 6, 6] })
    expect(narrower.ops).toEqual(['Conv', 'Add'])
  })

  it('leaves branches of other data, computed weights, shared branches and padding that follows the image', async () => {
    const other = await sum([conv([4, 4, 1, 1]), (g, x) => conv([4, 4, 1, 1])(g, g.op('Relu', [x]))])
    expect(other.ops).toContain('Add')
    const computed: Branch = (g, x) =>
      g.op('Conv', [x, g.op('Mul', [random.tensor([4, 4, 1, 1]), g.op('ReduceMean', [x])])])
    expect((await sum([conv([4, 4, 1, 1]), computed])).ops).toContain('Add')
    const same = await sum([conv([4, 4, 3, 3], { auto_pad: 'SAME_UPPER' }), conv([4, 4, 1, 1])])
    expect(same.reasons[0]).toMatch(/follows the size of the image/)
    const { reasons } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1, 4, 4, 4])
        const left = g.output('left', conv([4, 4, 1, 1])(g, x))
        g.output('y', g.op('Add', [left, conv([4, 4, 1, 1])(g, x)]))
      },
      { only: ['parallel-conv-sum'] },
    )
    expect(reasons[0]).toMatch(/is an output of its graph/)
  })

  it('leaves an identity beside float16 weights', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float16', [1, 2, 3, 3])
        g.output('y', g.op('Add', [g.op('Conv', [x, random.tensor([2, 2, 1, 1], 'float16')]), x]))
      },
      { only: ['parallel-conv-sum'], tolerance: 1e-2 },
    )
    expect(reasons[0]).toMatch(/float32 weights/)
  })

  it('computes the same for any kernels', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const settings = fc.record({
      rank: size,
      group: size,
      channels: size,
      large: fc.constantFrom(1, 3, 5),
      small: fc.constantFrom(1, 3),
      stride: fc.integer({ min: 1, max: 2 }),
      third: fc.constantFrom(undefined, itself, batchNorm),
      biases: fc.tuple(fc.boolean(), fc.boolean()),
    })
    await fc.assert(
      fc.asyncProperty(settings, async ({ rank, group, channels, large, small, stride, third, biases }) => {
        const spatial = (value: number) => new Array<number>(rank).fill(value)
        const total = channels * group
        const branch = (kernel: number, bias: boolean): Branch => {
          const pad = (kernel - 1) / 2
          const attributes = { group, strides: spatial(stride), pads: [...spatial(pad), ...spatial(pad)] }
          return conv([total, channels, ...spatial(kernel)], attributes, bias)
        }
        const branches = [branch(large, biases[0]), branch(small, biases[1])]
        if (third !== undefined && stride === 1) branches.push(third)
        const { ops } = await sum(branches, { shape: [1, total, ...spatial(6)] })
        expect(ops).toEqual(['Conv'])
      }),
      { numRuns: 40 },
    )
  })
})
