import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseAndCompare } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { withFunction } from '../../../test/support/with-function.ts'
import { buildModel, clone, type ElementType, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { kernelsOf } from '../kernels/kernels.ts'
import { lowerOpset } from './lower-opset.ts'

const build = (opset: number, body: (g: GraphBuilder, x: Value) => Value, type: ElementType = 'float32') =>
  buildModel((g) => g.output('y', body(g, g.input('x', type, [1, 3, 8, 8]))), { opset, irVersion: 10 })

const reason = (...parameters: Parameters<typeof build>): string | undefined => {
  const copy = clone(build(...parameters))
  const why = lowerOpset(copy, kernelsOf().table)
  expect(copy.opset).toBe(parameters[0])
  return why
}

const maxPool = (g: GraphBuilder, x: Value) => g.op('MaxPool', [x], { kernel_shape: [2, 2] })

describe('lower-opset', () => {
  it('reads a model under opset 21 where its operators have WebGPU kernels there only', async () => {
    for (const opset of [22, 23, 24]) {
      const { model, ops } = await fuseAndCompare(
        build(opset, (g, x) => g.op('Sin', [maxPool(g, x)])),
        { only: ['lower-opset'] },
      )
      expect(model.opset).toBe(21)
      expect(ops).toEqual(['MaxPool', 'Sin'])
    }
  })

  it('leaves a model that gains nothing, or is to stay within the standard', async () => {
    expect(reason(22, (g, x) => g.op('Relu', [x]))).toBe(undefined)
    const { model } = await fuseAndCompare(build(22, maxPool), { only: ['lower-opset'], target: 'onnx' })
    expect(model.opset).toBe(22)
  })

  it('leaves operators, attributes and types that opset 21 has not', () => {
    expect(reason(24, (g, x) => g.op('Swish', [maxPool(g, x)]))).toMatch(/Swish/)
    expect(reason(24, (g, x) => g.op('Cast', [maxPool(g, x)], { to: 1, round_mode: 'up' }))).toMatch(/round_mode/)
    expect(reason(22, maxPool, 'bfloat16')).toMatch(/"x" is bfloat16/)
  })

  it('leaves operators whose kernels fail where they would get them', () => {
    const indices = (g: GraphBuilder, x: Value): Value =>
      g.op('Cast', [g.node('MaxPool', [x], { kernel_shape: [2, 2] }, { outputs: 2 }).outputs[1]], { to: 1 })
    expect(reason(22, indices)).toMatch(/MaxPool.* would get a WebGPU kernel that fails on the output of indices/)
    const volume = (g: GraphBuilder, x: Value): Value => {
      const kernel = Tensor.fromNumbers('float32', [1, 1, 1, 1, 1], [2])
      return g.op('ConvTranspose', [g.op('Reshape', [x, int64([1, 1, 1, -1, 1])]), kernel])
    }
    expect(reason(22, volume)).toMatch(/ConvTranspose.* fails on more than 2 spatial axes/)
  })

  it('leaves a model with functions, which have an operator set of their own', () => {
    const copy = clone(withFunction(22, 'MaxPool', { kernel_shape: [2, 2] }))
    expect(lowerOpset(copy, kernelsOf().table)).toBe('its functions have an operator set of their own')
    expect(copy.opset).toBe(22)
  })

  const sample =
    (mode?: string) =>
    (g: GraphBuilder, x: Value): Value =>
      g.op('GridSample', [x, g.op('Tanh', [g.input('grid', 'float32', [1, 3, 3, 2])])], mode ? { mode } : {})

  it.each([undefined, 'linear', 'nearest', 'cubic'])(
    'reads a model that samples by %s under opset 19',
    async (mode) => {
      for (const opset of [20, 21, 22]) {
        const { model, ops } = await fuseAndCompare(build(opset, sample(mode)), { only: ['lower-opset'] })
        expect(model.opset).toBe(19)
        expect(ops).toEqual(['Tanh', 'GridSample'])
      }
    },
  )

  it('leaves what opset 19 has not, or has no kernel for', () => {
    expect(reason(20, (g, x) => g.op('Gelu', [sample()(g, x)]))).toMatch(/Gelu/)
    expect(reason(21, (g, x) => g.op('QuantizeLinear', [sample()(g, x), 1, undefined], { output_dtype: 3 }))).toMatch(
      /output_dtype/,
    )
    expect(reason(20, (g, x) => sample()(g, g.op('ReduceMax', [x], { keepdims: 1 }, { types: [undefined] })))).toMatch(
      /not known to be of images/,
    )
    expect(
      reason(20, (g, x) =>
        sample()(g, g.op('Mul', [x, g.op('Cast', [g.op('IsInf', [g.input('z', 'float16')])], { to: 1 })])),
      ),
    ).toMatch(/is of float16, which opset 19 may not have/)
    const copy = clone(build(20, (g, x) => g.op('Relu', [sample()(g, x)])))
    const table = { ...kernelsOf().table, Relu: { 6: ['', 'float32'], 20: ['float32', 'float32'] } } as const
    expect(lowerOpset(copy, table)).toMatch(/Relu.* would lose its kernel in opset 19/)
  })

  it('leaves a pool that rounds its size up, which opset 22 corrected', () => {
    expect(reason(22, (g, x) => g.op('MaxPool', [x], { kernel_shape: [2, 2], ceil_mode: 1 }))).toMatch(/ceil_mode/)
  })
})

const unary = ['Sin', 'Elu', 'Cosh', 'Relu', 'Softplus', 'Mish', 'HardSwish', 'Abs']

testDrawn(
  'lower-opset',
  fc.record({
    ops: fc.array(fc.constantFrom(...unary, 'MaxPool', 'GlobalAveragePool', 'ConvTranspose', 'Cast', 'Gelu'), {
      minLength: 1,
      maxLength: 5,
    }),
    ceil_mode: fc.constantFrom(0, 0, 1),
    opset: fc.constantFrom(22, 23, 24),
  }),
  ({ ops, ceil_mode, opset }) => {
    const gains = ops.some((op) => !['Relu', 'Softplus', 'Mish', 'Abs', 'Cast', 'Gelu'].includes(op))
    return {
      build: (g) => {
        const apply = (x: Value, op: string): Value => {
          if (op === 'MaxPool') return g.op(op, [x], { kernel_shape: [2, 2], ceil_mode })
          if (op === 'ConvTranspose') return g.op(op, [x, new Random(1).tensor([3, 3, 2, 2])])
          return g.op(op, [x], op === 'Cast' ? { to: 1 } : {})
        }
        g.output('y', ops.reduce(apply, g.input('x', 'float32', [1, 3, 40, 40])))
      },
      opset,
      irVersion: 10,
      fires: gains && !(ceil_mode === 1 && ops.includes('MaxPool')),
    }
  },
)
