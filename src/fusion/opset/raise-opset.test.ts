import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseAndCompare } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { withFunction } from '../../../test/support/with-function.ts'
import { buildModel, clone, type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import { inferredContext } from '../context.ts'
import { raiseOpset } from './raise-opset.ts'

const random = new Random(5)

/** Builds under an old opset; the Identity at the end gives the model something to gain, so that it comes out raised. */
const raised = async (opset: number, build: (g: GraphBuilder, x: Value) => Value, dims = [2, 3, 4, 4]) => {
  const model = buildModel((g) => g.output('y', g.op('Identity', [build(g, g.input('x', 'float32', dims))])), { opset })
  const { model: fused, ops } = await fuseAndCompare(model, { only: ['raise-opset', 'identity'] })
  expect(fused.opset).toBe(17)
  return ops
}

/** Why a model stays under its opset. */
const reason = (opset: number, build: (g: GraphBuilder, x: Value) => Value, dims?: (number | string)[]) => {
  const model = buildModel((g) => g.output('y', build(g, g.input('x', 'float32', dims))), { opset })
  const copy = clone(model)
  const why = raiseOpset(copy, 17, inferredContext(copy))
  expect(copy.opset).toBe(opset)
  return why
}

describe('raise-opset gives the form of opset 17 to', () => {
  it('Clip with its bounds, or with one of them', async () => {
    expect(await raised(9, (g, x) => g.op('Clip', [x], { min: -0.5, max: 0.5 }))).toEqual(['Clip'])
    expect(await raised(7, (g, x) => g.op('Clip', [x], { min: 0 }))).toEqual(['Clip'])
    expect(await raised(10, (g, x) => g.op('Clip', [x], { max: 0 }))).toEqual(['Clip'])
  })

  it('Pad in every mode', async () => {
    for (const mode of ['constant', 'reflect', 'edge']) {
      await raised(8, (g, x) => g.op('Pad', [x], { pads: [0, 0, 1, 2, 0, 0, 3, 1], mode, value: 0.5 }))
    }
  })

  it('Slice with and without axes, from both ends', async () => {
    await raised(9, (g, x) => g.op('Slice', [x], { starts: [1, 0], ends: [3, 2 ** 31 - 1], axes: [3, 1] }))
    await raised(7, (g, x) => g.op('Slice', [x], { starts: [0, 1], ends: [2, -1] }))
  })

  it('Squeeze, Unsqueeze, ReduceSum and Split', async () => {
    await raised(11, (g, x) => g.op('Squeeze', [g.op('Unsqueeze', [x], { axes: [0, 2] })], { axes: [0] }))
    await raised(11, (g, x) => g.op('Squeeze', [g.op('Unsqueeze', [x], { axes: [1] })]))
    await raised(9, (g, x) => g.op('ReduceSum', [x], { axes: [1, 2], keepdims: 0 }))
    await raised(9, (g, x) => g.op('ReduceSum', [x], {}))
    await raised(11, (g, x) => {
      const [first, second] = g.node('Split', [x], { axis: 3, split: [1, 3] }, { outputs: 2 }).outputs
      return g.op('Concat', [second, first], { axis: 3 })
    })
    await raised(8, (g, x) => {
      const [first, second] = g.node('Split', [x], { axis: 2 }, { outputs: 2 }).outputs
      return g.op('Mul', [first, second])
    })
  })

  it('Softmax, LogSoftmax and Hardmax over the last axis', async () => {
    await raised(11, (g, x) => g.op('Softmax', [x], { axis: 3 }))
    await raised(9, (g, x) => g.op('LogSoftmax', [x]), [3, 5])
    await raised(9, (g, x) => g.op('Hardmax', [x], { axis: 2 }), [2, 3, 5])
  })

  it('Upsample and Resize, which mapped coordinates in their own way', async () => {
    const scales = [1, 1, 2, 2]
    for (const mode of ['nearest', 'linear']) {
      await raised(7, (g, x) => g.op('Upsample', [x], { mode, scales }))
      await raised(9, (g, x) => g.op('Upsample', [x, scales], { mode }))
      await raised(10, (g, x) => g.op('Resize', [x, [1, 1, 1.5, 3]], { mode }))
    }
  })

  it('Slice to the end and from it, written as the largest integer there is', async () => {
    const toEnd = { axes: [1, 2], starts: [1, -2], ends: [2 ** 63, 2 ** 63] }
    expect(await raised(7, (g, x) => g.op('Slice', [x], toEnd))).toEqual(['Slice'])
    const fromStart = { axes: [3], starts: [-(2 ** 63)], ends: [2] }
    expect(await raised(9, (g, x) => g.op('Slice', [x], fromStart))).toEqual(['Slice'])
  })

  it('TopK, BatchNormalization, Dropout and Scatter', async () => {
    await raised(9, (g, x) => g.node('TopK', [x], { k: 2, axis: 1 }, { outputs: 2 }).output)
    const parameter = () => random.tensor([3], 'float32', [0.5, 2])
    await raised(7, (g, x) =>
      g.op('BatchNormalization', [x, parameter(), parameter(), parameter(), parameter()], { spatial: 1 }),
    )
    await raised(7, (g, x) => g.op('Dropout', [x], { ratio: 0.3 }))
    await raised(9, (g, x) =>
      g.op(
        'Scatter',
        [x, g.constant([0, 1], { dims: [1, 1, 1, 2], type: 'int64' }), g.constant([5, 6], { dims: [1, 1, 1, 2] })],
        {
          axis: 3,
        },
      ),
    )
  })

  it('nodes of nested graphs', async () => {
    const ops = await raised(9, (g, x) => {
      const branch = (min: number) =>
        g.subgraph((inner) => inner.output(`y_${min}`, inner.op('Clip', [x], { min, max: 1 })))
      const condition = g.constant([1], { dims: [], type: 'bool' })
      return g.op('If', [condition], { then_branch: branch(0), else_branch: branch(-1) })
    })
    expect(ops).toEqual(['If'])
  })
})

describe('raise-opset leaves a model', () => {
  it('whose softmax normalises over several axes together', () => {
    expect(reason(11, (g, x) => g.op('Softmax', [x], { axis: 1 }), ['n', 3, 4, 4])).toMatch(/axes 1 to 3 together/)
    expect(reason(11, (g, x) => g.op('Softmax', [x], { axis: 1 }))).toMatch(/rank .* is unknown/)
  })

  it('whose batch norm has statistics for every pixel, or trains', () => {
    const parameters = () => [1, 2, 3, 4].map(() => random.tensor([3], 'float32', [0.5, 2]))
    expect(reason(7, (g, x) => g.op('BatchNormalization', [x, ...parameters()], { spatial: 0 }))).toMatch(/spatial = 0/)
    expect(reason(9, (g, x) => g.node('BatchNormalization', [x, ...parameters()], {}, { outputs: 5 }).output)).toMatch(
      /training/,
    )
  })

  it('which uses the mask of a Dropout: it had another type or no values', () => {
    const mask = (g: GraphBuilder, x: Value) => g.node('Dropout', [x], { ratio: 0.3 }, { outputs: 2 }).outputs[1]
    for (const opset of [7, 10])
      expect(reason(opset, (g, x) => g.op('Cast', [mask(g, x)], { to: 1 }))).toMatch(/its mask .* is used/)
  })

  it('which resizes in a way that is gone', () => {
    expect(
      reason(11, (g, x) =>
        g.op('Resize', [x, [], [1, 1, 2, 2]], { coordinate_transformation_mode: 'tf_half_pixel_for_nn' }),
      ),
    ).toMatch(/keeps opset 11: it maps coordinates as tf_half_pixel_for_nn/)
  })

  it('with an operator that was another one', () => {
    const body = (g: GraphBuilder) => g.subgraph((inner) => inner.output('out', inner.op('Neg', [inner.input('in')])))
    expect(reason(8, (g, x) => g.op('Scan', [undefined, x], { body: body(g), num_scan_inputs: 1 }))).toMatch(
      /Scan was another operator before opset 9/,
    )
  })

  it('with bounds or padding of a type that is not known', () => {
    const unknown = (g: GraphBuilder, x: Value) => g.op('Custom', [x], {}, { domain: 'my.domain' })
    expect(reason(9, (g, x) => g.op('Clip', [unknown(g, x)], { min: 0 }))).toMatch(/keeps opset 9: its type is unknown/)
    expect(reason(9, (g, x) => g.op('Pad', [unknown(g, x)], { pads: [0, 0, 1, 1] }))).toMatch(/its type is unknown/)
  })

  it('that is not valid under its own opset', () => {
    expect(reason(9, (g, x) => g.op('Slice', [x], { starts: [0] }))).toMatch(/it has no starts and ends/)
    expect(reason(9, (g, x) => g.node('TopK', [x], {}, { outputs: 2 }).output)).toMatch(/it has no k/)
    expect(reason(9, (g, x) => g.op('Upsample', [x]))).toMatch(/it has no scales/)
  })

  it('with functions, which have an operator set of their own', () => {
    const copy = clone(withFunction(9, 'Relu'))
    expect(raiseOpset(copy, 17, inferredContext(copy))).toBe('its functions have an operator set of their own')
    expect(copy.opset).toBe(9)
  })

  it('of an opset before 7', () => {
    expect(reason(6, (g, x) => g.op('Relu', [x]))).toMatch(/broadcasts in another way/)
  })

  it('which gains nothing by it', async () => {
    const model = buildModel((g) => g.output('y', g.op('Clip', [g.input('x', 'float32', [4])], { min: 0 })), {
      opset: 9,
    })
    const { model: fused } = await fuseAndCompare(model, { only: ['raise-opset'] })
    expect(fused.opset).toBe(9)
  })
})

/** What changed its form, in the form of an opset before 13; the data has dims [2, 3, 4, 4] before and after. */
const oldForms: Readonly<Record<string, (g: GraphBuilder, x: Value, number: number, opset: number) => Value>> = {
  Clip: (g, x, number) => g.op('Clip', [x], { min: -number / 4, ...(number % 2 ? { max: number / 3 } : {}) }),
  Pad: (g, x, number, opset) => {
    const padded = g.op('Pad', [x], {
      pads: [0, 0, number % 3, 1, 0, 0, 1, number % 2],
      mode: ['constant', 'reflect', 'edge'][number % 3] ?? 'constant',
      ...(number % 3 === 0 ? { value: number + 0.5 } : {}),
    })
    const starts = [number % 3, 1]
    return opset < 10
      ? g.op('Slice', [padded], { starts, ends: starts.map((start) => start + 4), axes: [2, 3] })
      : g.op('Slice', [padded, int64(starts), int64(starts.map((start) => start + 4)), int64([2, -1])])
  },
  Squeeze: (g, x, number) => g.op('Squeeze', [g.op('Unsqueeze', [x], { axes: [number % 5] })], { axes: [number % 5] }),
  Softmax: (g, x) => g.op('Softmax', [x], { axis: 3 }),
  ReduceSum: (g, x, number) => g.op('Sub', [x, g.op('ReduceSum', [x], { axes: [number % 4] })]),
  Split: (g, x, number) => {
    const size = 1 + (number % 3)
    const { outputs } = g.node('Split', [x], { axis: 2, split: [size, 4 - size] }, { outputs: 2 })
    return g.op('Concat', outputs.toReversed(), { axis: 2 })
  },
  Upsample: (g, x, number, opset) => {
    const mode = number % 2 ? 'nearest' : 'linear'
    const scales = [1, 1, 2, 1 + (number % 3)]
    const larger =
      opset < 9
        ? g.op('Upsample', [x], { mode, scales })
        : g.op(opset < 10 ? 'Upsample' : 'Resize', [x, scales], { mode })
    return opset < 10
      ? g.op('Slice', [larger], { starts: [2, 0], ends: [6, 4], axes: [2, 3] })
      : g.op('Slice', [larger, int64([2, 0]), int64([6, 4]), int64([2, 3])])
  },
  Dropout: (g, x) => g.op('Dropout', [x], { ratio: 0.5 }),
}

testDrawn(
  'raise-opset',
  fc.record({
    steps: fc.array(fc.record({ op: fc.constantFrom(...Object.keys(oldForms)), number: fc.nat({ max: 12 }) }), {
      minLength: 1,
      maxLength: 5,
    }),
    opset: fc.integer({ min: 7, max: 10 }),
  }),
  ({ steps, opset }) => ({
    build: (g) => {
      const y = steps.reduce(
        (value, { op, number }) => oldForms[op]?.(g, value, number, opset) ?? value,
        g.input('x', 'float32', [2, 3, 4, 4]),
      )
      g.output('y', g.op('Identity', [y]))
    },
    opset,
    fires: 1,
  }),
  { also: ['identity'] },
)
