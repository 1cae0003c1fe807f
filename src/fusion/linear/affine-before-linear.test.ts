import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, buildModel, type GraphBuilder, int64, tensorType, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['constant-view', 'affine-before-linear']
const random = new Random(12)
const image = [2, 3, 6, 6]

const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> => fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', shape))), { only, ...options })

const typed = (shape: readonly (number | string)[]) => ({ types: [tensorType('float32', shape)] })

/** Runs a list of steps, each of the shape given. */
const normalise = (g: GraphBuilder, x: Value, dims: readonly number[]): Value => {
  const type = { types: [x.type] }
  const centred = g.op('Sub', [x, random.tensor(dims)], {}, type)
  return g.op('Div', [centred, random.tensor(dims, 'float32', [0.5, 2])], {}, type)
}

function batchNorm(g: GraphBuilder, x: Value, channels: number): Value {
  const vector = () => random.tensor([channels])
  const inputs = [x, vector(), vector(), vector(), random.tensor([channels], 'float32', [0.5, 2])]
  return g.op('BatchNormalization', inputs, {}, { types: [x.type] })
}

describe('affine-before-linear absorbs', () => {
  it('(x − mean)/std of an image, in every shape of the constants', async () => {
    for (const dims of [[], [1], [3, 1, 1], [1, 3, 1, 1], [1, 1, 1, 1]]) {
      const { ops } = await fused(image, (g, x) =>
        g.op('Conv', [normalise(g, x, dims), random.tensor([4, 3, 3, 3]), random.tensor([4])]),
      )
      expect(ops).toEqual(['Conv'])
    }
  })

  it.each(['Mul', 'Div', 'Add', 'Sub', 'Sub from', 'Neg'])('%s before a convolution', async (op) => {
    const { ops } = await fused(image, (g, x) => {
      const type = { types: [x.type] }
      const constant = random.tensor([3, 1, 1], 'float32', [0.5, 2])
      const operands = op === 'Neg' ? [x] : op === 'Sub from' ? [constant, x] : [x, constant]
      return g.op('Conv', [g.op(op.split(' ')[0] ?? op, operands, {}, type), random.tensor([4, 3, 3, 3])])
    })
    expect(ops).toEqual(['Conv'])
  })

  it('a batch norm before convolutions of every rank, grouped and depthwise', async () => {
    for (const [shape, weights, group] of [
      [[2, 4, 7], [6, 4, 3], 1],
      [[2, 4, 7], [6, 2, 3], 2],
      [[1, 4, 5, 5], [4, 1, 3, 3], 4],
      [[1, 4, 4, 4, 4], [2, 4, 2, 2, 2], 1],
    ] as const) {
      const { ops } = await fused(shape, (g, x) =>
        g.op('Conv', [batchNorm(g, x, 4), random.tensor(weights)], { group, auto_pad: 'VALID' }),
      )
      expect(ops).toEqual(['Conv'])
    }
  })

  it('nothing into a convolution of no groups, which no runtime runs', () => {
    const model = buildModel((g) => {
      const scaled = g.op('Mul', [g.input('x', 'float32', [1, 4, 5, 5]), 2])
      g.output('y', g.op('Conv', [scaled, random.tensor([4, 2, 1, 1])], { group: -2 }))
    })
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('a scale where there is padding, and before a grouped ConvTranspose', async () => {
    const padded = await fused(image, (g, x) => {
      const scaled = g.op('Mul', [x, random.tensor([3, 1, 1])], {}, { types: [x.type] })
      return g.op('Conv', [scaled, random.tensor([4, 3, 3, 3])], { pads: [1, 1, 1, 1] })
    })
    expect(padded.ops).toEqual(['Conv'])
    const transposed = await fused([1, 4, 5, 5], (g, x) => {
      const scaled = g.op('Div', [x, random.tensor([4, 1, 1], 'float32', [0.5, 2])], {}, { types: [x.type] })
      return g.op('ConvTranspose', [scaled, random.tensor([4, 3, 3, 3])], { group: 2, strides: [2, 2] })
    })
    expect(transposed.ops).toEqual(['ConvTranspose'])
  })

  it('into a Gemm with alpha, beta, transA and transB', async () => {
    for (const [transA, transB] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      for (const c of [undefined, [], [5], [1, 5]]) {
        // Square data: the scale must find its axis by itself.
        const { ops } = await fused([3, 3], (g, x) => {
          const data = normalise(g, x, transA ? [3, 1] : [3])
          const inputs = [data, random.tensor(transB ? [5, 3] : [3, 5]), ...(c ? [random.tensor(c)] : [])]
          return g.op('Gemm', inputs, { alpha: 0.5, beta: 2, transA, transB })
        })
        expect(ops).toEqual(['Gemm'])
      }
    }
  })

  it('a batch norm into a Gemm and a MatMul', async () => {
    const gemm = await fused([4, 3], (g, x) => g.op('Gemm', [batchNorm(g, x, 3), random.tensor([3, 5])]))
    expect(gemm.ops).toEqual(['Gemm'])
    const matmul = await fused([4, 3], (g, x) => g.op('MatMul', [batchNorm(g, x, 3), random.tensor([3, 5])]))
    expect(matmul.ops).toEqual(['Gemm'])
  })

  it('into a MatMul of rank 3: a scale by itself, a shift into the Add that follows', async () => {
    const scaled = await fused([2, 5, 3], (g, x) =>
      g.op('MatMul', [g.op('Mul', [x, random.tensor([3])], {}, { types: [x.type] }), random.tensor([3, 4])]),
    )
    expect(scaled.ops).toEqual(['MatMul'])
    const shifted = await fused([2, 5, 3], (g, x) =>
      g.op('Add', [g.op('MatMul', [normalise(g, x, [1, 3]), random.tensor([3, 4])]), random.tensor([4])]),
    )
    expect(shifted.ops).toEqual(['MatMul', 'Add'])
  })

  it('through the Transpose from NHWC', async () => {
    const { ops } = await fused([2, 6, 6, 3], (g, x) => {
      const channelsFirst = g.op('Transpose', [normalise(g, x, [3])], { perm: [0, 3, 1, 2] }, typed(image))
      return g.op('Conv', [channelsFirst, random.tensor([4, 3, 3, 3])])
    })
    expect(ops).toEqual(['Transpose', 'Conv'])
  })

  it('through Squeeze, Unsqueeze and Reshape, along the channels', async () => {
    const { ops } = await fused([2, 3, 6], (g, x) => {
      const wide = g.op('Unsqueeze', [normalise(g, x, [3, 1]), int64([2])], {}, typed([2, 3, 1, 6]))
      return g.op('Conv', [wide, random.tensor([4, 3, 1, 3])])
    })
    expect(ops).toEqual(['Unsqueeze', 'Conv'])
    const reshaped = await fused([2, 5, 3], (g, x) => {
      const rows = g.op('Reshape', [normalise(g, x, [3]), int64([-1, 3])], {}, typed([10, 3]))
      return g.op('Gemm', [rows, random.tensor([3, 4])])
    })
    expect(reshaped.ops).toEqual(['Reshape', 'Gemm'])
  })

  it('a batch norm, and constants of any extent, before a Flatten and a Gemm', async () => {
    const flat = { op: (g: GraphBuilder, x: Value) => g.op('Flatten', [x], {}, typed([2, 18])) }
    const gemm = (g: GraphBuilder, x: Value) => g.op('Gemm', [flat.op(g, x), random.tensor([5, 18])], { transB: 1 })
    const normal = await fused([2, 2, 3, 3], (g, x) => gemm(g, batchNorm(g, x, 2)))
    expect(normal.ops).toEqual(['Flatten', 'Gemm'])
    for (const dims of [[2, 1, 1], [2, 3, 3], [3, 1], [1, 1, 1, 3], []]) {
      const { ops } = await fused([2, 2, 3, 3], (g, x) => gemm(g, normalise(g, x, dims)))
      expect(ops).toEqual(['Flatten', 'Gemm'])
    }
  })

  it('with a batch of any size', async () => {
    const { ops } = await fused(['batch', 3, 6, 6], (g, x) =>
      g.op('Conv', [batchNorm(g, x, 3), random.tensor([4, 3, 3, 3])]),
    )
    expect(ops).toEqual(['Conv'])
  })

  it('a batch norm before a MatMul of higher rank, channels turned to the last axis: its shift becomes an Add', async () => {
    const turned = await fused([2, 3, 5], (g, x) => {
      const last = g.op(
        'Transpose',
        [batchNorm(g, x, 3)],
        { perm: [0, 2, 1] },
        { types: [tensorType('float32', [2, 5, 3])] },
      )
      return g.op('MatMul', [last, random.tensor([3, 4])])
    })
    expect(turned.ops).toEqual(['Transpose', 'MatMul', 'Add'])
  })
})

describe('affine-before-linear leaves alone', () => {
  const refuses = async (
    shape: readonly (number | string)[],
    build: (g: GraphBuilder, x: Value) => Value,
    reason: RegExp | undefined,
    options: CompareOptions & BuildOptions = {},
  ): Promise<void> => {
    const { report, reasons } = await fused(shape, build, options)
    expect(report.fusions['affine-before-linear']).toBeUndefined()
    if (reason !== undefined) expect(reasons.join('\n')).toMatch(reason)
  }
  const shifted = (g: GraphBuilder, x: Value, dims: readonly number[]) =>
    g.op('Add', [x, random.tensor(dims)], {}, { types: [x.type] })

  it('a shift where padding would be shifted too', async () => {
    const weight = random.tensor([4, 3, 3, 3])
    for (const attributes of [
      { pads: [1, 1, 1, 1] },
      { pads: [0, 0, 0, 1] },
      { auto_pad: 'SAME_UPPER' },
      { auto_pad: 'SAME_LOWER' },
    ]) {
      await refuses(
        image,
        (g, x) => g.op('Conv', [shifted(g, x, [3, 1, 1]), weight], attributes),
        /its padding would be shifted too/,
      )
      await refuses(
        image,
        (g, x) => g.op('Conv', [batchNorm(g, x, 3), weight], attributes),
        /its padding would be shifted too/,
      )
    }
  })

  it('a shift before a ConvTranspose', async () => {
    await refuses(
      image,
      (g, x) => g.op('ConvTranspose', [shifted(g, x, [3, 1, 1]), random.tensor([3, 4, 3, 3])]),
      /borders of a ConvTranspose/,
    )
  })

  it('a shift before a MatMul of rank 3 without a bias', async () => {
    await refuses([2, 5, 3], (g, x) => g.op('MatMul', [shifted(g, x, [3]), random.tensor([3, 4])]), /has no bias/)
  })

  it('one channel that is stretched to many, or a batch that is', async () => {
    await refuses(
      [2, 1, 6, 6],
      (g, x) => g.op('Conv', [g.op('Mul', [x, random.tensor([3, 1, 1])]), random.tensor([4, 3, 3, 3])]),
      /not known to have 3 channels/,
    )
    await refuses(
      [2, 'channels', 6, 6],
      (g, x) => g.op('Conv', [g.op('Mul', [x, random.tensor([3, 1, 1])]), random.tensor([4, 3, 3, 3])]),
      /not known to have 3 channels/,
      { dimensions: { channels: 1 } },
    )
    await refuses(
      [1, 3],
      (g, x) => g.op('Gemm', [g.op('Mul', [x, random.tensor([4, 3])]), random.tensor([3, 4])]),
      /is not one number for each of 3 channels/,
    )
  })

  it('a constant along the width, or one that raises the rank', async () => {
    await refuses(
      [2, 3, 3, 3],
      (g, x) => g.op('Conv', [g.op('Mul', [x, random.tensor([3])]), random.tensor([4, 3, 3, 3])]),
      /is not one number for each of 3 channels/,
    )
    await refuses(
      [3, 6, 6],
      (g, x) => g.op('Conv', [g.op('Mul', [x, random.tensor([1, 3, 1, 1])]), random.tensor([4, 3, 3, 3])]),
      /may raise the rank/,
    )
    await refuses(
      [3, 3],
      (g, x) => g.op('Gemm', [g.op('Mul', [x, random.tensor([3])]), random.tensor([3, 4])], { transA: 1 }),
      /is not one number/,
    )
  })

  it('a batch norm whose channels are not what is contracted', async () => {
    await refuses(
      [2, 3, 3],
      (g, x) => g.op('MatMul', [batchNorm(g, x, 3), random.tensor([3, 4])]),
      /channels of .* are not those it contracts/,
    )
    await refuses(
      [3, 3],
      (g, x) => g.op('Gemm', [batchNorm(g, x, 3), random.tensor([3, 4])], { transA: 1 }),
      /are not those it contracts/,
    )
    await refuses(
      [2, 3, 3],
      (g, x) => {
        const flat = g.op(
          'Flatten',
          [g.op('Transpose', [batchNorm(g, x, 3)], { perm: [0, 2, 1] }, typed([2, 3, 3]))],
          {},
          typed([2, 9]),
        )
        return g.op('Gemm', [flat, random.tensor([9, 4])])
      },
      undefined,
    )
  })

  it('a constant with an extent in the batch, before a Flatten', async () => {
    await refuses(
      [2, 2, 3],
      (g, x) => {
        const scaled = g.op('Mul', [x, random.tensor([2, 1, 1])], {}, { types: [x.type] })
        return g.op('Gemm', [g.op('Flatten', [scaled], {}, typed([2, 6])), random.tensor([6, 4])])
      },
      /is not one number for each of \[2,3\]/,
    )
  })

  it('a value with a second user, one that the graph outputs, one that another graph computes', async () => {
    const weight = random.tensor([4, 3, 3, 3])
    await refuses(
      image,
      (g, x) => {
        const scaled = g.op('Mul', [x, 2], {}, { types: [x.type] })
        return g.op('Concat', [g.op('Conv', [scaled, weight]), g.op('Conv', [scaled, weight])], { axis: 1 })
      },
      /has 2 users/,
    )
    await refuses(image, (g, x) => g.op('Conv', [g.output('z', g.op('Mul', [x, 2])), weight]), /is an output/)
    await refuses(
      image,
      (g, x) => {
        const scaled = g.op('Mul', [x, 2], {}, { types: [x.type] })
        const condition = g.op('Greater', [g.op('ReduceMean', [x], { keepdims: 0 }), 0])
        const branch = (name: string) => g.subgraph((inner) => inner.output(name, inner.op('Conv', [scaled, weight])))
        return g.op('If', [condition], { then_branch: branch('then'), else_branch: branch('else') })
      },
      undefined,
    )
  })

  it('what is not constant, and factors that are not finite', async () => {
    const weight = random.tensor([4, 3, 3, 3])
    await refuses(
      image,
      (g, x) =>
        g.op('Conv', [g.op('Mul', [x, 2], {}, { types: [x.type] }), g.op('Mul', [weight, g.op('ReduceMean', [x])])]),
      /is computed, not a constant/,
    )
    await refuses(
      image,
      (g, x) => g.op('Conv', [g.op('Div', [x, 0], {}, { types: [x.type] }), weight]),
      /no finite scale/,
    )
    await refuses(image, (g, x) => g.op('Conv', [g.op('Div', [2, x], {}, { types: [x.type] }), weight]), undefined, {
      feeds: { x: random.tensor(image, 'float32', [1, 2]) },
    })
  })
})

describe('affine-before-linear on any convolution without padding', () => {
  it('computes the same', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const parameters = fc.record({
      rank: size,
      group: size,
      inputs: size,
      outputs: size,
      kernel: size,
      stride: fc.integer({ min: 1, max: 2 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      bias: fc.boolean(),
      seed: fc.nat(),
      chain: fc.array(
        fc.record({ op: fc.constantFrom('Mul', 'Div', 'Add', 'Sub'), left: fc.boolean(), scalar: fc.boolean() }),
        { minLength: 1, maxLength: 4 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        parameters,
        async ({ rank, group, inputs, outputs, kernel, stride, dilation, bias, seed, chain }) => {
          const numbers = new Random(seed)
          const spatial = (value: number) => new Array<number>(rank).fill(value)
          const channels = inputs * group
          const { ops } = await fused(
            [2, channels, ...spatial(7)],
            (g, x) => {
              const attributes = { group, strides: spatial(stride), dilations: spatial(dilation) }
              const data = chain.reduce((y, link) => {
                const operand = numbers.tensor(link.scalar ? [] : [channels, ...spatial(1)], 'float32', [0.5, 1.5])
                const operands = link.left && link.op !== 'Div' ? [operand, y] : [y, operand]
                return g.op(link.op, operands, {}, { types: [x.type] })
              }, x)
              const weights = numbers.tensor([outputs * group, inputs, ...spatial(kernel)])
              return g.op('Conv', [data, weights, ...(bias ? [numbers.tensor([outputs * group])] : [])], attributes)
            },
            { seed },
          )
          expect(ops).toEqual(['Conv'])
        },
      ),
      { numRuns: 60 },
    )
  })
})
