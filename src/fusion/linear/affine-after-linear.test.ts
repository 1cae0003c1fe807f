import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  type BuildOptions,
  buildModel,
  type GraphBuilder,
  int64,
  Tensor,
  tensorType,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['constant-view', 'affine-after-linear']
const random = new Random(11)

/** Runs `build` between an input and an output of the graph. */
const fused = (
  shape: readonly (number | string)[],
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> => fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', shape))), { only, ...options })

const conv = (g: GraphBuilder, x: Value): Value => g.op('Conv', [x, random.tensor([4, 3, 3, 3]), random.tensor([4])])
const image = [2, 3, 5, 5]

describe('affine-after-linear absorbs', () => {
  it.each(['Mul', 'Div', 'Add', 'Sum', 'Sub'])('%s by a constant on the right', async (op) => {
    for (const dims of [[], [1], [1, 1, 1, 1], [4, 1, 1], [1, 4, 1, 1]]) {
      const { ops } = await fused(image, (g, x) => g.op(op, [conv(g, x), random.tensor(dims, 'float32', [0.5, 2])]))
      expect(ops).toEqual(['Conv'])
    }
  })

  it.each(['Mul', 'Add', 'Sum', 'Sub'])('%s by a constant on the left', async (op) => {
    for (const dims of [[], [1], [1, 1, 1, 1], [4, 1, 1], [1, 4, 1, 1]]) {
      const { ops } = await fused(image, (g, x) => g.op(op, [random.tensor(dims), conv(g, x)]))
      expect(ops).toEqual(['Conv'])
    }
  })

  it('Neg', async () => {
    const { ops } = await fused(image, (g, x) => g.op('Neg', [conv(g, x)]))
    expect(ops).toEqual(['Conv'])
  })

  it('a batch norm, and chains of all of them', async () => {
    const { ops, report } = await fused(image, (g, x) => {
      const scaled = g.op('Div', [g.op('Sub', [conv(g, x), random.tensor([4, 1, 1])]), 3])
      const normal = g.op('BatchNormalization', [
        g.op('Neg', [scaled]),
        random.tensor([4]),
        random.tensor([4]),
        random.tensor([4]),
        random.tensor([4], 'float32', [0.5, 2]),
      ])
      return g.op('Sub', [1, g.op('Mul', [random.tensor([1, 4, 1, 1]), normal])])
    })
    expect(ops).toEqual(['Conv'])
    expect(report.fusions['affine-after-linear']).toBe(6)
  })

  it('a Constant node, and a constant behind a Reshape', async () => {
    const { ops } = await fused(
      image,
      (g, x) => {
        const constant = g.op('Constant', [], { value: random.tensor([4, 1, 1]) })
        const reshaped = g.op('Reshape', [random.tensor([4]), int64([1, -1, 1, 1])])
        return g.op('Add', [g.op('Mul', [conv(g, x), constant]), reshaped])
      },
      { only: [...only, 'constant-node'] },
    )
    expect(ops).toEqual(['Conv'])
  })

  it('into convolutions of every rank, grouped and depthwise, with and without a bias', async () => {
    for (const [shape, weights, group] of [
      [[2, 4, 7], [6, 4, 3], 1],
      [[2, 4, 7], [6, 2, 3], 2],
      [[1, 4, 5, 5], [4, 1, 3, 3], 4],
      [[1, 2, 4, 4, 4], [4, 1, 2, 2, 2], 2],
    ] as const) {
      for (const bias of [[], [random.tensor([weights[0]])]]) {
        const channels = [weights[0], ...weights.slice(2).map(() => 1)]
        const { ops } = await fused(shape, (g, x) => {
          const y = g.op('Conv', [x, random.tensor(weights), ...bias], { group })
          return g.op('Add', [g.op('Mul', [y, random.tensor(channels)]), random.tensor(channels)])
        })
        expect(ops).toEqual(['Conv'])
      }
    }
  })

  it('into grouped transposed convolutions, output padding included', async () => {
    for (const group of [1, 2, 4]) {
      const { ops } = await fused([1, 4, 5, 5], (g, x) => {
        const attributes = { group, strides: [2, 2], output_padding: [1, 1], pads: [1, 1, 1, 1] }
        const y = g.op('ConvTranspose', [x, random.tensor([4, 3, 3, 3])], attributes)
        const channels = [3 * group, 1, 1]
        return g.op('Sub', [g.op('Mul', [y, random.tensor(channels)]), random.tensor(channels)])
      })
      expect(ops).toEqual(['ConvTranspose'])
    }
  })

  it('into a Gemm with alpha, beta, transA, transB and every row that C may be', async () => {
    for (const [transA, transB] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      for (const c of [undefined, [], [1], [5], [1, 5], [1, 1]]) {
        const { ops } = await fused(transA ? [3, 2] : [2, 3], (g, x) => {
          const inputs = [x, random.tensor(transB ? [5, 3] : [3, 5]), ...(c ? [random.tensor(c)] : [])]
          const y = g.op('Gemm', inputs, { alpha: 0.5, beta: 2, transA, transB })
          return g.op('Add', [g.op('Mul', [y, random.tensor([5])]), random.tensor([1, 5])])
        })
        expect(ops).toEqual(['Gemm'])
      }
    }
  })

  it('into a MatMul: a scale at every rank, a shift as the C of a Gemm', async () => {
    const scaled = await fused([2, 7, 3], (g, x) =>
      g.op('Mul', [g.op('MatMul', [x, random.tensor([3, 4])]), random.tensor([4])]),
    )
    expect(scaled.ops).toEqual(['MatMul'])
    const shifted = await fused([7, 3], (g, x) =>
      g.op('Add', [random.tensor([4]), g.op('MatMul', [x, random.tensor([3, 4])])]),
    )
    expect(shifted.ops).toEqual(['Gemm'])
    const vector = await fused([3], (g, x) => g.op('Mul', [g.op('MatMul', [x, random.tensor([3, 4])]), 2]))
    expect(vector.ops).toEqual(['MatMul'])
  })

  it('into a MatMul of higher rank and the Add after it: 1/√d into queries', async () => {
    const { ops } = await fused([2, 5, 8], (g, x) => {
      const queries = g.op(
        'Add',
        [random.tensor([8]), g.op('MatMul', [x, random.tensor([8, 8])])],
        {},
        typed([2, 5, 8]),
      )
      const heads = g.op('Reshape', [queries, int64([2, 5, 2, 4])], {}, typed([2, 5, 2, 4]))
      const transposed = g.op('Transpose', [heads], { perm: [0, 2, 1, 3] }, typed([2, 2, 5, 4]))
      return g.op('Div', [transposed, 2])
    })
    expect(ops).toEqual(['MatMul', 'Add', 'Reshape', 'Transpose'])
    const folded = await fused([2, 5, 8], (g, x) => {
      const sum = g.op('Add', [g.op('MatMul', [x, random.tensor([8, 6])]), random.tensor([1, 1, 6])])
      return g.op('Sub', [g.op('Mul', [sum, random.tensor([6])]), random.tensor([6])])
    })
    expect(folded.ops).toEqual(['MatMul', 'Add'])
  })

  it('through Reshape, Transpose, Squeeze, Unsqueeze and Flatten, along the channels', async () => {
    const views: Record<string, (g: GraphBuilder, x: Value) => Value> = {
      // [2, 4, 3, 3] → …
      Reshape: (g, x) => g.op('Reshape', [x, int64([2, 4, 9])], {}, typed([2, 4, 9])),
      Transpose: (g, x) => g.op('Transpose', [x], { perm: [0, 2, 3, 1] }, typed([2, 3, 3, 4])),
      Unsqueeze: (g, x) => g.op('Unsqueeze', [x, int64([0])], {}, typed([1, 2, 4, 3, 3])),
      TransposeReshape: (g, x) => g.op('Reshape', [views.Transpose?.(g, x) ?? x, int64([-1, 4])], {}, typed([18, 4])),
      UnsqueezeSqueeze: (g, x) => g.op('Squeeze', [views.Unsqueeze?.(g, x) ?? x, int64([0])], {}, typed([2, 4, 3, 3])),
    }
    const channels: Record<string, readonly number[]> = {
      Reshape: [4, 1],
      Transpose: [4],
      Unsqueeze: [4, 1, 1],
      TransposeReshape: [1, 4],
      UnsqueezeSqueeze: [1, 4, 1, 1],
    }
    for (const [name, view] of Object.entries(views)) {
      const { ops } = await fused(image, (g, x) => {
        const y = g.op('Conv', [x, random.tensor([4, 3, 3, 3])], {}, typed([2, 4, 3, 3]))
        const dims = channels[name] ?? []
        return g.op('Add', [g.op('Mul', [view(g, y), random.tensor(dims)]), random.tensor(dims)])
      })
      expect(ops[0], name).toBe('Conv')
      expect(ops, name).not.toContain('Mul')
      expect(ops, name).not.toContain('Add')
    }
    const flat = await fused(image, (g, x) => {
      const y = g.op('Conv', [x, random.tensor([4, 3, 5, 5])], {}, typed([2, 4, 1, 1]))
      return g.op('Mul', [g.op('Flatten', [y], {}, typed([2, 4])), random.tensor([4])])
    })
    expect(flat.ops).toEqual(['Conv', 'Flatten'])
  })

  it('a batch norm behind a MatMul and a Transpose of equal sizes along the right axis', async () => {
    // onnxruntime's own MatmulBNFusion scales the columns here; the channels are the rows.
    const { ops, reasons } = await fused([4, 3], (g, x) => {
      const y = g.op('MatMul', [x, random.tensor([3, 4])], {}, typed([4, 4]))
      return batchNorm(g, g.op('Transpose', [y], { perm: [1, 0] }, typed([4, 4])), 4)
    })
    expect(ops).toEqual(['MatMul', 'Transpose', 'BatchNormalization'])
    expect(reasons[0]).toMatch(/channels are not those/)
    const reshaped = await fused([8, 3], (g, x) => {
      const y = g.op('MatMul', [x, random.tensor([3, 4])], {}, typed([8, 4]))
      return batchNorm(g, g.op('Reshape', [y, int64([2, 4, 4])], {}, typed([2, 4, 4])), 4)
    })
    expect(reshaped.ops).toEqual(['MatMul', 'Reshape', 'BatchNormalization'])
    const right = await fused([2, 5, 3], (g, x) => {
      const y = g.op('MatMul', [x, random.tensor([3, 5])], {}, typed([2, 5, 5]))
      return batchNorm(g, g.op('Transpose', [y], { perm: [0, 2, 1] }, typed([2, 5, 5])), 5)
    })
    expect(right.ops).toEqual(['MatMul', 'Add', 'Transpose'])
    const biased = await fused([2, 5, 3], (g, x) => {
      const y = g.op('Add', [g.op('MatMul', [x, random.tensor([3, 5])], {}, typed([2, 5, 5])), random.tensor([5])])
      y.type = tensorType('float32', [2, 5, 5])
      return batchNorm(g, g.op('Transpose', [y], { perm: [0, 2, 1] }, typed([2, 5, 5])), 5)
    })
    expect(biased.ops).toEqual(['MatMul', 'Add', 'Transpose'])
  })

  it('a batch norm behind a MatMul of higher rank and a view: its shift becomes an Add', async () => {
    const rows = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
      g.op('MatMul', [x, random.tensor([3, 4])], {}, typed(shape))
    const flat = await fused([2, 5, 3], (g, x) => {
      const y = g.op('Reshape', [rows(g, x, [2, 5, 4]), int64([10, 4])], {}, typed([10, 4]))
      return g.op('Reshape', [batchNorm(g, y, 4), int64([2, 5, 4])])
    })
    expect(flat.ops).toEqual(['MatMul', 'Add', 'Reshape', 'Reshape'])
    const spread = await fused([2, 1, 5, 3], (g, x) => {
      const y = g.op('Squeeze', [rows(g, x, [2, 1, 5, 4]), int64([1])], {}, typed([2, 5, 4]))
      return batchNorm(g, g.op('Transpose', [y], { perm: [0, 2, 1] }, typed([2, 4, 5])), 4)
    })
    expect(spread.ops).toEqual(['MatMul', 'Add', 'Squeeze', 'Transpose'])
    const centred = await fused([2, 5, 3], (g, x) => {
      const zeros = Tensor.fromNumbers('float32', [4], [0, 0, 0, 0])
      const y = g.op('Reshape', [rows(g, x, [2, 5, 4]), int64([-1, 4])], {}, typed([10, 4]))
      return g.op('BatchNormalization', [y, random.tensor([4]), zeros, zeros, random.tensor([4], 'float32', [0.5, 2])])
    })
    expect(centred.ops).toEqual(['MatMul', 'Reshape'])
  })

  it('in float16 and float64, computed in float64 and rounded once', async () => {
    for (const [type, tolerance] of [
      ['float16', 4e-3],
      ['float64', 1e-12],
    ] as const) {
      const { ops, model } = await fuseGraph(
        (g) => {
          const y = g.op('Gemm', [g.input('x', type, [2, 3]), random.tensor([3, 4], type), random.tensor([4], type)])
          g.output('y', g.op('Add', [g.op('Mul', [y, random.tensor([4], type)]), random.tensor([4], type)]))
        },
        { only, tolerance },
      )
      expect(ops).toEqual(['Gemm'])
      for (const { initializer } of model.graph.initializers) expect(initializer?.elementType).toBe(type)
    }
  })

  it('weights that another node uses, which keeps its own', async () => {
    const { ops } = await fused(image, (g, x) => {
      const weight = g.constant(random.tensor([4, 3, 3, 3]))
      const one = g.op('Mul', [g.op('Conv', [x, weight]), 3])
      return g.op('Concat', [one, g.op('Conv', [x, weight])], { axis: 1 })
    })
    expect(ops).toEqual(['Conv', 'Conv', 'Concat'])
  })

  it('inside a nested graph, in its own scope', async () => {
    const { model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', image)
        const branch = (factor: number) =>
          g.subgraph((inner) => {
            const y = inner.op('Mul', [conv(inner, x), factor])
            inner.output(`y${factor}`, y)
          })
        const condition = g.op('Greater', [g.op('ReduceMean', [x], { keepdims: 0 }), 0])
        g.output('y', g.op('If', [condition], { then_branch: branch(2), else_branch: branch(3) }))
      },
      { only },
    )
    expect([...model.graph.walk()].filter((node) => node.is('Mul'))).toEqual([])
  })
})

const typed = (shape: readonly number[]) => ({ types: [tensorType('float32', shape)] })

function batchNorm(g: GraphBuilder, x: Value, channels: number): Value {
  const vector = () => random.tensor([channels])
  return g.op('BatchNormalization', [x, vector(), vector(), vector(), random.tensor([channels], 'float32', [0.5, 2])])
}

describe('affine-after-linear leaves alone', () => {
  const refuses = async (
    shape: readonly (number | string)[],
    build: (g: GraphBuilder, x: Value) => Value,
    reason: RegExp | undefined,
    options: CompareOptions & BuildOptions = {},
  ): Promise<void> => {
    const { report, reasons } = await fused(shape, build, options)
    expect(report.fusions['affine-after-linear']).toBeUndefined()
    if (reason !== undefined) expect(reasons.join('\n')).toMatch(reason)
  }

  it('a constant along the width, or with an extent of its own in another axis', async () => {
    for (const dims of [[4], [1, 4], [4, 1], [1, 1, 1, 4], [2, 1, 1, 1], [4, 4, 4]]) {
      await refuses(
        [2, 3, 6, 6],
        (g, x) => g.op('Mul', [conv(g, x), random.tensor(dims)]),
        /is not one number for each of 4 channels/,
      )
    }
  })

  it('a constant that raises the rank', async () => {
    for (const dims of [
      [1, 1, 1, 1, 1],
      [1, 1, 4, 1, 1],
      [2, 1, 4, 1, 1],
    ]) {
      await refuses(image, (g, x) => g.op('Add', [conv(g, x), random.tensor(dims)]), /may raise the rank/)
    }
    await refuses(
      [2, 3],
      (g, x) => g.op('Add', [g.op('MatMul', [x, random.tensor([3, 4])]), random.tensor([1, 1, 4])]),
      /may raise the rank/,
    )
    await refuses(
      [1, 3],
      (g, x) => {
        const y = g.op('Gemm', [x, random.tensor([3, 1])], {}, typed([1, 1]))
        return g.op('Mul', [g.op('Squeeze', [y, int64([0, 1])]), random.tensor([1])])
      },
      /may raise the rank/,
    )
  })

  it('a constant that stretches the only channel, or the batch', async () => {
    await refuses(
      image,
      (g, x) => g.op('Mul', [g.op('Conv', [x, random.tensor([1, 3, 3, 3])]), random.tensor([4, 1, 1])]),
      /is not one number for each of 1 channels/,
    )
    await refuses(
      [1, 3],
      (g, x) => g.op('Add', [g.op('Gemm', [x, random.tensor([3, 4])]), random.tensor([5, 4])]),
      /is not one number/,
    )
    await refuses(
      [2, 3],
      (g, x) => g.op('Add', [g.op('MatMul', [x, random.tensor([3, 1])]), random.tensor([6])]),
      /is not one number for each of 1 channels/,
    )
  })

  it('what is not constant', async () => {
    await refuses(image, (g, x) => g.op('Mul', [conv(g, x), g.op('ReduceMean', [x])]), undefined)
    await refuses(
      image,
      (g, x) => {
        const weight = g.op('Mul', [g.op('ReduceMean', [x]), random.tensor([4, 3, 3, 3])])
        return g.op('Mul', [g.op('Conv', [x, weight]), 2])
      },
      /is computed, not a constant/,
    )
    const { report } = await fuseGraph(
      (g) => {
        const weight = g.input('w', 'float32', [4, 3, 3, 3])
        g.graph.setDefault(weight, random.tensor([4, 3, 3, 3]))
        g.output('y', g.op('Mul', [g.op('Conv', [g.input('x', 'float32', image), weight]), 2]))
      },
      { only },
    )
    expect(report.nearMisses[0]?.reason).toMatch(/a caller may override it/)
  })

  it('a value with a second user, one that the graph outputs, one that a nested graph captures', async () => {
    await refuses(
      image,
      (g, x) => {
        const y = conv(g, x)
        return g.op('Concat', [g.op('Mul', [y, 2]), y], { axis: 1 })
      },
      /has 2 users/,
    )
    await refuses(image, (g, x) => g.op('Mul', [g.output('z', conv(g, x)), 2]), /is an output of its graph/)
    await refuses(
      image,
      (g, x) => {
        const y = conv(g, x)
        const scaled = g.op('Mul', [y, 2])
        const condition = g.op('Greater', [g.op('ReduceMean', [x], { keepdims: 0 }), 0])
        const branch = (op: string) =>
          g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [inner.op('Relu', [y]), scaled])))
        return g.op('If', [condition], { then_branch: branch('Add'), else_branch: branch('Sub') })
      },
      /has 3 users/,
    )
    await refuses(
      image,
      (g, x) => {
        const y = conv(g, x)
        const condition = g.op('Greater', [g.op('ReduceMean', [x], { keepdims: 0 }), 0])
        const then = g.subgraph((inner) => inner.output('then', inner.op('Mul', [y, 2])))
        const otherwise = g.subgraph((inner) =>
          inner.output('else', inner.op('Relu', [g.constant(random.tensor([2, 4, 3, 3]))])),
        )
        return g.op('If', [condition], { then_branch: then, else_branch: otherwise })
      },
      /is captured by a nested graph/,
    )
  })

  it('a view with a second user, or one that the graph outputs', async () => {
    await refuses(
      [2, 3],
      (g, x) => {
        const y = g.op('Gemm', [x, random.tensor([3, 4])], {}, typed([2, 4]))
        const view = g.op('Transpose', [y], {}, typed([4, 2]))
        return g.op('Concat', [g.op('Mul', [view, 2]), view], { axis: 1 })
      },
      undefined,
    )
  })

  it('channels that a reshape tears up, or that lie elsewhere behind a transpose', async () => {
    await refuses(
      image,
      (g, x) => {
        const y = g.op('Conv', [x, random.tensor([4, 3, 3, 3])], {}, typed([2, 4, 3, 3]))
        return g.op('Mul', [g.op('Reshape', [y, int64([2, 36])], {}, typed([2, 36])), random.tensor([36])])
      },
      /is not one number/,
    )
    await refuses(
      [4, 3],
      (g, x) => {
        const y = g.op('Gemm', [x, random.tensor([3, 4])], {}, typed([4, 4]))
        return g.op('Add', [g.op('Transpose', [y], {}, typed([4, 4])), random.tensor([4])])
      },
      /is not one number/,
    )
  })

  it('a division of a constant, by zero, or a factor that is infinite', async () => {
    await refuses(image, (g, x) => g.op('Div', [2, conv(g, x)]), undefined)
    await refuses(image, (g, x) => g.op('Div', [conv(g, x), 0]), /no finite scale/)
    await refuses(image, (g, x) => g.op('Mul', [conv(g, x), Number.POSITIVE_INFINITY]), /no finite scale/)
    await refuses(image, (g, x) => g.op('Add', [conv(g, x), Number.NaN]), /no finite scale/)
  })

  it('weights that float16 cannot hold, too large or too small', async () => {
    for (const [factor, reason] of [
      [60_000, /do not fit float16/],
      [1e-6, /too small for float16/],
    ] as const) {
      const { report } = await fuseGraph(
        (g) => {
          const y = g.op('Gemm', [g.input('x', 'float16', [2, 3]), random.tensor([3, 4], 'float16', [1, 4])])
          g.output('y', g.op('Mul', [y, Tensor.fromNumbers('float16', [], [factor])]))
        },
        { only, tolerance: 1e-2, feeds: { x: random.tensor([2, 3], 'float16', [0, 0.1]) } },
      )
      expect(report.nearMisses[0]?.reason).toMatch(reason)
    }
  })

  it('a shift after a MatMul of rank 3, which has no place for it', async () => {
    await refuses([2, 5, 3], (g, x) => g.op('Add', [g.op('MatMul', [x, random.tensor([3, 4])]), 1]), undefined)
    await refuses([2, 5, 3], (g, x) => g.op('Sub', [g.op('MatMul', [x, random.tensor([3, 4])]), 1]), /has no bias/)
  })

  it('a C with rows of its own', async () => {
    await refuses(
      [2, 3],
      (g, x) => g.op('Mul', [g.op('Gemm', [x, random.tensor([3, 4]), random.tensor([2, 4])]), 2]),
      /does not broadcast along the rows/,
    )
    await refuses(
      [2, 3],
      (g, x) => g.op('Mul', [g.op('Gemm', [x, random.tensor([3, 4]), random.tensor([2, 1])]), 2]),
      /does not broadcast along the rows/,
    )
  })

  it('operators before opset 7, which broadcast by attributes', () => {
    // Not run: onnxruntime-web has no kernels for them.
    const model = buildModel(
      (g) => {
        const y = g.op('Conv', [g.input('x', 'float32', image), random.tensor([4, 3, 3, 3])])
        g.output('y', g.op('Mul', [y, random.tensor([4])], { broadcast: 1, axis: 1 }))
      },
      { opset: 6, irVersion: 3 },
    )
    expect(fuse(model, { only }).report.rewrites).toBe(0)
  })

  it('weights of a rank that no runtime takes', () => {
    const reasons = reasonsForLeaving('affine-after-linear', (g) =>
      g.output('y', g.op('Mul', [g.op('Conv', [g.input('x', 'float32', [2, 3]), random.tensor([4, 3])]), 2])),
    )
    expect(reasons).toEqual([expect.stringMatching(/^".+" has dims \[4,3\]$/)])
  })

  it('a large weight that another node uses', async () => {
    const { ops, bytes } = await fused([1, 512], (g, x) => {
      const weight = g.constant(new Float32Array(512 * 1024), { dims: [512, 1024] })
      return g.op('Add', [g.op('Mul', [g.op('MatMul', [x, weight]), 2]), g.op('MatMul', [g.op('Relu', [x]), weight])])
    })
    expect(ops).toContain('Mul')
    expect(bytes.after).toBeLessThanOrEqual(bytes.before)
  })

  it('unknown operators and domains', async () => {
    const { report } = await fused(
      [2, 4],
      (g, x) => g.op('QuickGelu', [g.op('Gemm', [x, random.tensor([4, 4])])], {}, { domain: 'com.microsoft' }),
      { opsets: { 'com.microsoft': 1 } },
    )
    expect(report.rewrites).toBe(0)
  })
})

describe('affine-after-linear on any convolution', () => {
  it('computes the same', { timeout: 120_000 }, async () => {
    const size = fc.integer({ min: 1, max: 3 })
    const parameters = fc.record({
      op: fc.constantFrom('Conv', 'ConvTranspose'),
      rank: size,
      group: size,
      inputs: size,
      outputs: size,
      kernel: size,
      stride: fc.integer({ min: 1, max: 2 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      pad: fc.integer({ min: 0, max: 1 }),
      bias: fc.boolean(),
      seed: fc.nat(),
      chain: fc.array(
        fc.record({
          op: fc.constantFrom('Mul', 'Div', 'Add', 'Sub'),
          left: fc.boolean(),
          scalar: fc.boolean(),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        parameters,
        async ({ op, rank, group, inputs, outputs, kernel, stride, dilation, pad, bias, seed, chain }) => {
          const numbers = new Random(seed)
          const spatial = (value: number) => new Array<number>(rank).fill(value)
          const weights =
            op === 'Conv'
              ? [outputs * group, inputs, ...spatial(kernel)]
              : [inputs * group, outputs, ...spatial(kernel)]
          const channels = outputs * group
          const { ops } = await fused(
            [2, inputs * group, ...spatial(6)],
            (g, x) => {
              const attributes = {
                group,
                strides: spatial(stride),
                dilations: spatial(dilation),
                pads: [...spatial(pad), ...spatial(pad)],
              }
              const operands = [x, numbers.tensor(weights), ...(bias ? [numbers.tensor([channels])] : [])]
              return chain.reduce(
                (y, link) => {
                  const operand = numbers.tensor(link.scalar ? [] : [channels, ...spatial(1)], 'float32', [0.5, 1.5])
                  const swapped = link.left && link.op !== 'Div'
                  return g.op(link.op, swapped ? [operand, y] : [y, operand])
                },
                g.op(op, operands, attributes),
              )
            },
            { seed },
          )
          expect(ops).toEqual([op])
        },
      ),
      { numRuns: 60 },
    )
  })
})
