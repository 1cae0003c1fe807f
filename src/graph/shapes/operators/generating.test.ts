import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, elementTypes, int64, Tensor } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const scalar = (value: number, type: 'int64' | 'float32' | 'int32' = 'int64'): Tensor =>
  Tensor.fromNumbers(type, [], [value])

describe('Shape and Size', () => {
  it('give sizes by name, or a part of them', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 3, 'h'])
      g.output('all', g.op('Shape', [x]))
      g.output('tail', g.op('Shape', [x], { start: -2 }))
      g.output('head', g.op('Shape', [x], { end: -1 }))
      g.output('beyond', g.op('Shape', [x], { start: 1, end: 9 }))
      g.output('size', g.op('Size', [x]))
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => `${shapes.dataOf(output)}`)).toEqual([
      'n,3,h',
      '3,h',
      'n,3',
      '3,h',
      '3*h*n',
    ])
  })
})

describe('Range', () => {
  it('counts in whole numbers and in fractions', async () => {
    const number = fc.integer({ min: -20, max: 20 })
    await fc.assert(
      fc.asyncProperty(
        number,
        number,
        fc.constantFrom(1, 2, 3, -1, -4),
        fc.boolean(),
        async (from, to, step, isWhole) => {
          const type = isWhole ? 'int64' : 'float32'
          const scale = isWhole ? 1 : 0.3
          const model = buildModel((g) => {
            const limit = g.op('Mul', [scalar(to * scale, type), scalar(1, type)])
            g.output('y', g.op('Range', [scalar(from * scale, type), limit, scalar(step * scale, type)]))
          })
          await expectShapes(model, {}, { open: !isWhole })
        },
      ),
      { numRuns: 30 },
    )
  })

  it('is as long as a size', () => {
    const model = buildModel((g) => {
      const length = g.op('Gather', [g.op('Shape', [g.input('x', 'int64', ['b', 's'])]), int64(1)])
      g.output('positions', g.op('Range', [int64(0), length, int64(1)]))
      g.output('pairs', g.op('Range', [int64(0), length, int64(2)]))
      g.output('past', g.op('Range', [length, g.op('Add', [length, length]), int64(1)]))
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => `${shapes.shapeOf(output)}`)).toEqual(['s', 'floor((s+1)/2)', 's'])
  })
})

describe('tensors of a given shape', () => {
  it('follow sizes, attributes and another tensor', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 3])
      const shape = g.op('Shape', [x])
      g.output('zeros', g.op('ConstantOfShape', [shape]))
      g.output('ones', g.op('ConstantOfShape', [int64([2, 2])], { value: int64([7]) }))
      g.output('normal', g.op('RandomNormal', [], { shape: [2, 5] }))
      g.output('uniform', g.op('RandomUniform', [], { shape: [2, 5], dtype: elementTypes.float64.code }))
      g.output('like', g.op('RandomNormalLike', [x]))
      g.output('typed', g.op('RandomUniformLike', [x], { dtype: elementTypes.float64.code }))
      g.output('eye', g.op('EyeLike', [x], { dtype: elementTypes.int64.code }))
      g.output('coins', g.op('Bernoulli', [g.op('Sigmoid', [x])]))
      g.output('draws', g.op('Multinomial', [x], { sample_size: 4 }))
    })
    await expectShapes(model, { n: 2 })
  })
})

describe('signals', () => {
  it('are windowed and transformed', async () => {
    const model = buildModel((g) => {
      const signal = g.input('signal', 'float32', ['b', 'length', 1])
      const window = g.op('HannWindow', [scalar(16)])
      g.output('window', window)
      g.output('hamming', g.op('HammingWindow', [scalar(10)], { output_datatype: elementTypes.float64.code }))
      g.output('stft', g.op('STFT', [signal, scalar(8), window]))
      g.output('framed', g.op('STFT', [signal, scalar(4), undefined, scalar(16)], { onesided: 0 }))
      g.output('dft', g.op('DFT', [signal], { axis: 1 }))
      g.output('half', g.op('DFT', [signal], { axis: 1, onesided: 1 }))
      g.output('long', g.op('DFT', [signal, scalar(64)], { axis: 1 }))
      g.output(
        'mel',
        g.op('MelWeightMatrix', [
          scalar(8),
          scalar(16),
          scalar(8000),
          Tensor.fromNumbers('float32', [], [0]),
          Tensor.fromNumbers('float32', [], [4000]),
        ]),
      )
    })
    await expectShapes(model, { b: 2, length: 50 })
  })

  it('have their axis as an input from opset 20', async () => {
    const model = buildModel(
      (g) => {
        const signal = g.input('signal', 'float32', ['b', 'length', 1])
        g.output('half', g.op('DFT', [signal, undefined, scalar(1)], { onesided: 1 }))
        g.output('default', g.op('DFT', [signal]))
      },
      { opset: 20 },
    )
    await expectShapes(model, { b: 2, length: 7 })
  })
})

describe('AffineGrid and GridSample', () => {
  it('make and use grids', async () => {
    const model = buildModel(
      (g) => {
        const theta = g.input('theta', 'float32', ['n', 2, 3])
        const x = g.input('x', 'float32', ['n', 4, 'h', 'w'])
        const size = g.op('Concat', [g.op('Shape', [theta], { end: 1 }), int64([4, 5, 6])], { axis: 0 })
        const grid = g.op('AffineGrid', [theta, size])
        g.output('y', g.op('GridSample', [x, grid]))
      },
      { opset: 20 },
    )
    await expectShapes(model, { n: 2, h: 7, w: 8 })
  })
})

describe('Constant', () => {
  it('comes in every attribute', async () => {
    const model = buildModel((g) => {
      const values = [
        g.op('Constant', [], { value: Tensor.fromNumbers('float32', [2, 2], [1, 2, 3, 4]) }),
        g.op('Constant', [], { value_int: 3 }),
        g.op('Constant', [], { value_ints: [3, 4] }),
        g.op('Constant', [], { value_float: 0.5 }),
        g.op('Constant', [], { value_floats: [0.5, 1] }),
      ]
      values.forEach((value, index) => {
        g.output(`y${index}`, g.op('Identity', [value]))
      })
    })
    await expectShapes(model)
  })
})
