import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseAndCompare } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import { fusionNames } from '../fuse.ts'

/** A step of a network on an image of four channels: it keeps the channels, and makes the image no smaller than it must. */
type Step = (g: GraphBuilder, x: Value, random: Random) => Value

const norm: Step = (g, x, random) => {
  const vector = () => random.tensor([4])
  return g.op('BatchNormalization', [x, vector(), vector(), vector(), random.tensor([4], 'float32', [0.5, 2])])
}

const conv =
  (kernel: number, pad = (kernel - 1) / 2, group = 1): Step =>
  (g, x, random) =>
    g.op('Conv', [x, random.tensor([4, 4 / group, kernel, kernel], 'float32', [-0.3, 0.3]), random.tensor([4])], {
      pads: [pad, pad, pad, pad],
      group,
    })

const elementwise =
  (op: string, dims: readonly number[]): Step =>
  (g, x, random) =>
    g.op(op, [x, random.tensor(dims, 'float32', [0.5, 1.5])])

const steps: Readonly<Record<string, Step>> = {
  norm,
  pointwise: conv(1),
  square: conv(3),
  depthwise: conv(3, 1, 4),
  grouped: conv(1, 0, 2),
  scale: elementwise('Mul', [4, 1, 1]),
  divide: elementwise('Div', []),
  shift: elementwise('Add', [1, 4, 1, 1]),
  alongWidth: elementwise('Sub', [1]),
  negate: (g, x) => g.op('Neg', [x]),
  relu: (g, x) => g.op('Relu', [x]),
  pad: (g, x) => g.op('Pad', [x, int64([0, 0, 1, 0, 0, 0, 0, 1])]),
  pool: (g, x) => g.op('AveragePool', [x], { kernel_shape: [2, 2], pads: [1, 1, 0, 0] }),
  largest: (g, x) => g.op('MaxPool', [x], { kernel_shape: [2, 2], pads: [0, 0, 1, 1] }),
  channelsLast: (g, x, random) => {
    const last = g.op('Transpose', [x], { perm: [0, 2, 3, 1] })
    const scaled = g.op('Mul', [last, random.tensor([4])])
    return g.op('Transpose', [scaled], { perm: [0, 3, 1, 2] })
  },
  rows: (g, x, random) => {
    const last = g.op('Transpose', [x], { perm: [0, 2, 3, 1] })
    const product = g.op('Add', [g.op('MatMul', [last, random.tensor([4, 4])]), random.tensor([4])])
    return g.op('Transpose', [product], { perm: [0, 3, 1, 2] })
  },
  residual: (g, x, random) => g.op('Add', [conv(3)(g, x, random), x]),
  branches: (g, x, random) => g.op('Add', [conv(3)(g, x, random), conv(1)(g, x, random)]),
  joined: (g, x, random) => {
    const both = g.op('Concat', [conv(1)(g, x, random), conv(1)(g, x, random)], { axis: 1 })
    return g.op('Conv', [both, random.tensor([4, 8, 1, 1], 'float32', [-0.3, 0.3])])
  },
}

const chain = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 1, maxLength: 8 })

const modelOf = (names: readonly string[], seed: number) =>
  buildModel((g) => {
    const random = new Random(seed)
    const x = g.input('x', 'float32', ['batch', 4, 6, 6])
    g.output(
      'y',
      names.reduce((value, name) => steps[name]?.(g, value, random) ?? value, x),
    )
  })

describe('any chain of linear operators, scales, shifts, pads and branches', () => {
  it('computes the same with every fusion', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(chain, fc.nat(), async (names, seed) => {
        const { report } = await fuseAndCompare(modelOf(names, seed), { seed })
        expect(report.nodes.after).toBeLessThanOrEqual(report.nodes.before)
      }),
      { numRuns: 60 },
    )
  })

  it('computes the same with any fusions off', { timeout: 120_000 }, async () => {
    const skip = fc.subarray([...fusionNames])
    await fc.assert(
      fc.asyncProperty(chain, fc.nat(), skip, async (names, seed, off) => {
        await fuseAndCompare(modelOf(names, seed), { seed, skip: off })
      }),
      { numRuns: 60 },
    )
  })
})
