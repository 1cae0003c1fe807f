import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, type ElementType, elementTypes, int64, Tensor } from '../../index.ts'
import { inferShapes } from '../infer.ts'

/** A shape with a name, `prefix` and axis, for each size. */
const named = (prefix: string, dims: readonly number[]): { shape: string[]; sizes: Record<string, number> } => ({
  shape: dims.map((_, axis) => `${prefix}${axis}`),
  sizes: Object.fromEntries(dims.map((dim, axis) => [`${prefix}${axis}`, dim])),
})

describe('operators of one input keep shape and type', () => {
  const since = {
    7: 'Abs Acos Asin Atan Ceil Cos Elu Exp Floor HardSigmoid Identity LeakyRelu Log LogSoftmax Neg Reciprocal Relu Selu Sigmoid Sin Softmax Softplus Softsign Sqrt Tan Tanh',
    13: 'Acosh Asinh Atanh Celu Cosh Erf Hardmax HardSwish LpNormalization MeanVarianceNormalization Round Shrink Sign Sinh ThresholdedRelu',
    18: 'Mish',
    20: 'Gelu',
  }
  it.each(Object.entries(since))('of opset %s', async (opset, list) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 2, 'h', 3])
        for (const op of list.split(' ')) {
          if (op === 'HardSwish' && Number(opset) < 14) continue
          g.output(op, g.op(op, [x]))
        }
      },
      { opset: Number(opset) },
    )
    await expectShapes(model, { n: 2, h: 5 })
  })
})

describe('operators of several inputs broadcast', () => {
  it('shapes of any rank, known or not', async () => {
    const pair = fc
      .record({
        dims: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
        ones: fc.tuple(fc.array(fc.boolean(), { maxLength: 4 }), fc.array(fc.boolean(), { maxLength: 4 })),
        cut: fc.tuple(fc.nat(4), fc.nat(4)),
      })
      .map(({ dims, ones, cut }) =>
        [0, 1].map((side) =>
          dims.map((dim, axis) => (ones[side]?.[axis] ? 1 : dim)).slice(Math.min(cut[side] ?? 0, dims.length)),
        ),
      )
    await fc.assert(
      fc.asyncProperty(pair, fc.boolean(), async ([left = [], right = []], symbolic) => {
        const [a, b] = [named('a', left), named('b', right)]
        const model = buildModel((g) => {
          const x = g.input('x', 'float32', symbolic ? a.shape : left)
          const y = g.input('y', 'float32', symbolic ? b.shape : right)
          const sum = g.op('Add', [x, y])
          g.output('z', g.op('Where', [g.op('Greater', [x, y]), sum, g.op('Max', [x, y, sum])]))
        })
        await expectShapes(model, symbolic ? { ...a.sizes, ...b.sizes } : {})
      }),
      { numRuns: 40 },
    )
  })

  it('gives the type of the result, which is not always the operands', async () => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'int32', ['n', 1])
        const y = g.input('y', 'int32', [3])
        const z = g.input('z', 'float32', ['n', 1])
        for (const op of ['Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual']) g.output(op, g.op(op, [x, y]))
        for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Min', 'Max']) g.output(op, g.op(op, [x, y]))
        const [p, q] = [g.op('Equal', [x, y]), g.op('Less', [x, y])]
        for (const op of ['And', 'Or', 'Xor']) g.output(op, g.op(op, [p, q]))
        g.output('not', g.op('Not', [p]))
        g.output('pow', g.op('Pow', [z, y]))
        g.output('nan', g.op('IsNaN', [z]))
        g.output('inf', g.op('IsInf', [z]))
        g.output('sum', g.op('Sum', [z, z, z]))
        g.output('mean', g.op('Mean', [z, z]))
        g.output('prelu', g.op('PRelu', [z, g.constant([0.5])]))
        g.output('clip', g.op('Clip', [z, 0, 1]))
      },
      { opset: 17 },
    )
    await expectShapes(model, { n: 2 })
  })

  it.each([9, 11, 17])(
    'carries sizes through Clip in opset %i: padding that is computed from the image',
    async (opset) => {
      const model = buildModel(
        (g) => {
          const x = g.input('x', 'float32', ['n', 3, 9, 7])
          const size = g.op('Gather', [g.op('Shape', [x]), int64([2, 3])])
          // What a convolution of 3 × 3 with stride 2 needs: max((⌈s / 2⌉ − 1) · 2 + 3 − s, 0)
          const steps = g.op('Ceil', [g.op('Div', [g.op('Cast', [size], { to: 1 }), g.constant(2)])])
          const reach = g.op('Add', [g.op('Mul', [g.op('Sub', [steps, g.constant(1)]), g.constant(2)]), g.constant(3)])
          const missing = g.op('Cast', [g.op('Sub', [reach, g.op('Cast', [size], { to: 1 })])], { to: 1 })
          const pads = opset < 11 ? g.op('Clip', [missing], { min: 0 }) : g.op('Clip', [missing, g.constant(0)])
          const most = opset < 11 ? g.op('Clip', [pads], { max: 8 }) : g.op('Clip', [pads, undefined, g.constant(8)])
          const zeros = g.op('ConstantOfShape', [int64([2])], { value: int64([1]) })
          const shape = g.op('Concat', [zeros, g.op('Cast', [most], { to: 7 })], { axis: 0 })
          g.output('y', g.op('Expand', [g.constant([1]), shape]))
        },
        { opset },
      )
      await expectShapes(model, { n: 2 })
      const [y] = model.graph.outputs
      expect(y && inferShapes(model).shapeOf(y)).toEqual([1, 1, 2, 2])
    },
  )

  it('takes the first shape in opsets with a broadcast attribute', () => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', [2, 3, 4])
        g.output('y', g.op('Add', [x, g.input('b', 'float32', [3])], { broadcast: 1, axis: 1 }))
      },
      { opset: 6 },
    )
    const [y] = model.graph.outputs
    expect(y && inferShapes(model).shapeOf(y)).toEqual([2, 3, 4])
  })

  it('says nothing of shapes that do not fit', () => {
    const model = buildModel((g) => {
      g.output('y', g.op('Add', [g.input('a', 'float32', [2]), g.input('b', 'float32', [3])], {}, { name: 'add' }))
    })
    const shapes = inferShapes(model)
    const [y] = model.graph.outputs
    expect(y && shapes.shapeOf(y)).toBeUndefined()
    expect([...shapes.conflicts].map(([node, problem]) => `${node}: ${problem}`)).toEqual([
      'add: The shapes [2] and [3] do not broadcast to each other.',
    ])
  })
})

describe('Cast', () => {
  const types: ElementType[] = ['float32', 'float64', 'float16', 'int8', 'uint8', 'int32', 'int64', 'uint64', 'bool']
  it.each([9, 13, 19])('gives the type asked for, and the elements, in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n'])
        const n = g.op('Shape', [x])
        const mixed = Tensor.fromNumbers('float32', [4], [-1.75, 0, 2.5, 100])
        for (const type of types) {
          const to = elementTypes[type].code
          g.output(`x_${type}`, g.op('Cast', [x], { to }))
          g.output(`n_${type}`, g.op('Cast', [n], { to }))
          // A negative number in an unsigned type is anyone's guess.
          if (!type.startsWith('u')) g.output(`mixed_${type}`, g.op('Cast', [mixed], { to }))
        }
        if (opset >= 15) g.output('like', g.op('CastLike', [n, x]))
      },
      { opset },
    )
    await expectShapes(model, { n: 3 })
  })

  it('keeps a size through a float', () => {
    const model = buildModel((g) => {
      const shape = g.op('Cast', [g.op('Shape', [g.input('x', 'float32', ['n', 4])])], { to: 1 })
      const scaled = g.op('Mul', [shape, Tensor.fromNumbers('float32', [2], [2, 0.5])])
      g.output('y', g.op('Cast', [g.op('Floor', [scaled])], { to: 7 }))
    })
    const [y] = model.graph.outputs
    expect(y && inferShapes(model).dataOf(y)?.map(String)).toEqual(['2*n', '2'])
  })
})

describe('integer arithmetic on sizes', () => {
  it('runs as inferred', async () => {
    const model = buildModel((g) => {
      const shape = g.op('Shape', [g.input('x', 'float32', ['n', 'h', 5])])
      const other = int64([3, 4, -2])
      const values = ['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Min', 'Max'].map((op) =>
        g.op(op, [shape, other], {}, { name: op }),
      )
      for (const value of values) g.output(`out_${value.name}`, g.op('Abs', [g.op('Neg', [value])]))
      const isOne = g.op('Equal', [shape, int64(1)])
      g.output('one', isOne)
      g.output('minus', g.op('Equal', [shape, int64(-1)]))
      g.output('not', g.op('Not', [g.op('Or', [isOne, g.op('Less', [shape, int64(0)])])]))
      g.output('where', g.op('Where', [isOne, shape, other]))
      g.output('expand', g.op('Where', [g.op('Equal', [shape, int64(-1)]), int64([1, 1, 1]), shape]))
    })
    const shapes = await expectShapes(model, { n: 7, h: 9 }, { open: true })
    const text = (name: string): string => {
      const value = model.graph.outputs.find((output) => output.name === name)
      return String(value && shapes.dataOf(value))
    }
    expect(text('minus')).toBe('0,0,0')
    expect(text('expand')).toBe('n,h,5')
    expect(text('out_Mul')).toBe('3*n,4*h,10')
    expect(text('out_Div')).toBe('floor(n/3),floor(h/4),2')
  })
})

describe('Dropout', () => {
  it.each([7, 10, 12, 13])('gives data and mask in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const { outputs } = g.node('Dropout', [g.input('x', 'float32', ['n', 3])], {}, { outputs: 2 })
        for (const [index, output] of outputs.entries()) if (output) g.output(`y${index}`, output)
      },
      { opset },
    )
    await expectShapes(model, { n: 2 })
  })
})
