import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, type GraphBuilder, int64, Tensor, type Value } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const inferred = (build: (g: GraphBuilder) => Value, opset = 17): string => {
  const model = buildModel((g) => g.output('y', build(g)), { opset })
  const shapes = inferShapes(model)
  const [y] = model.graph.outputs
  return y === undefined ? '' : `${shapes.shapeOf(y)}`
}

const last = 2 ** 62

describe('Slice', () => {
  it('counts from both ends, with steps of both signs, past the ends', async () => {
    const index = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(last, -last, 2 ** 31 - 1, -(2 ** 31)))
    const axis = fc.record({
      start: index,
      end: index,
      step: fc.constantFrom(1, 2, 3, -1, -2),
      size: fc.integer({ min: 1, max: 7 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(axis, { minLength: 1, maxLength: 3 }), fc.boolean(), async (axes, symbolic) => {
        const names = axes.map((_, place) => `d${place}`)
        const model = buildModel((g) => {
          const x = g.input('x', 'float32', symbolic ? names : axes.map(({ size }) => size))
          const list = (key: 'start' | 'end' | 'step'): Tensor => int64(axes.map((item) => item[key]))
          g.output('y', g.op('Slice', [x, list('start'), list('end'), int64([...axes.keys()]), list('step')]))
        })
        await expectShapes(
          model,
          symbolic ? Object.fromEntries(names.map((name, place) => [name, axes[place]?.size ?? 1])) : {},
        )
      }),
      { numRuns: 60 },
    )
  })

  it('picks the elements of a small tensor', async () => {
    const index = fc.integer({ min: -7, max: 7 })
    await fc.assert(
      fc.asyncProperty(index, index, fc.constantFrom(1, 2, -1, -3), async (start, end, step) => {
        const model = buildModel((g) => {
          const table = Tensor.fromNumbers('int64', [5, 2], [...Array(10).keys()])
          const x = g.input('x', 'float32', ['n'])
          const data = g.op('Mul', [table, g.op('Shape', [x])])
          g.output('y', g.op('Slice', [data, int64([start, 1]), int64([end, last]), int64([0, 1]), int64([step, 1])]))
        })
        await expectShapes(model, { n: 3 })
      }),
      { numRuns: 30 },
    )
  })

  it.each<[string, number, number, number]>([
    ['n', 0, last, 1],
    ['max(0,n-1)', 1, last, 1],
    ['max(0,n-1)', 0, -1, 1],
    ['n', -1, -last, -1],
    ['floor((n+1)/2)', 0, last, 2],
    ['n - max(0,n-5)', 0, 5, 1],
  ])('gives %s', (text, start, end, step) => {
    const build = (g: GraphBuilder): Value =>
      g.op('Slice', [g.input('x', 'float32', ['n']), int64([start]), int64([end]), int64([0]), int64([step])])
    expect(inferred(build)).toBe(text)
  })

  it('has attributes before opset 10', async () => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 6])
        g.output('y', g.op('Slice', [x], { starts: [1, -2], ends: [9, 6], axes: [0, 1] }))
        g.output('all', g.op('Slice', [x], { starts: [0], ends: [2 ** 31 - 1] }))
      },
      { opset: 9 },
    )
    await expectShapes(model, { n: 4 })
  })

  it('leaves the other axes alone when starts are not known', () => {
    const build = (g: GraphBuilder): Value =>
      g.op('Slice', [g.input('x', 'float32', ['n', 6]), g.input('s', 'int64', [1]), int64([3]), int64([1])])
    expect(inferred(build)).toMatch(/^n,\?/)
  })

  it('takes a length that is computed', () => {
    const text = inferred((g) => {
      const table = g.input('table', 'float32', [512, 64])
      const length = g.op('Slice', [g.op('Shape', [g.input('ids', 'int64', ['b', 's'])]), int64([1]), int64([2])])
      return g.op('Slice', [table, int64([0]), length, int64([0])])
    })
    expect(text).toBe('s - max(0,s-512),64')
  })
})

describe('Gather and its kin', () => {
  it.each([9, 11, 13])('take shapes from data and indices in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 5, 4])
        const indices = g.op('ConstantOfShape', [int64([2, 3])], { value: Tensor.fromNumbers('int64', [1], [1]) })
        for (const axis of [0, 1, 2])
          g.output(
            `gather${axis}`,
            g.op('Gather', [x, opset < 9 ? Tensor.fromNumbers('int64', [2, 3], Array(6).fill(1)) : indices], { axis }),
          )
        g.output('scalar', g.op('Gather', [x, int64(0)], { axis: 1 }))
        if (opset < 11) return
        g.output(
          'elements',
          g.op('GatherElements', [x, Tensor.fromNumbers('int64', [1, 2, 4], Array(8).fill(0))], { axis: 1 }),
        )
        g.output('nd', g.op('GatherND', [x, Tensor.fromNumbers('int64', [3, 2], Array(6).fill(0))]))
        g.output(
          'scatter',
          g.op('ScatterElements', [
            x,
            Tensor.fromNumbers('int64', [1, 1, 1], [0]),
            Tensor.fromNumbers('float32', [1, 1, 1], [0]),
          ]),
        )
      },
      { opset },
    )
    await expectShapes(model, { n: 2 })
  })

  it('pick sizes, also from the end', () => {
    const model = buildModel((g) => {
      const shape = g.op('Shape', [g.input('x', 'float32', ['n', 'h', 3])])
      g.output('y', g.op('Gather', [shape, int64([-2, 0])]))
      g.output(
        'rows',
        g.op('Gather', [g.op('Reshape', [g.op('Concat', [shape, shape], { axis: 0 }), int64([3, 2])]), int64(1)]),
      )
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => `${shapes.dataOf(output)}`)).toEqual(['h,n', '3,n'])
  })

  it('give the same unknown element the same symbol', () => {
    const model = buildModel((g) => {
      const sizes = g.input('sizes', 'int64', [2])
      const at = (): Value => g.op('Gather', [sizes, int64([1])])
      g.output('a', g.op('ConstantOfShape', [at()]))
      g.output('b', g.op('ConstantOfShape', [at()]))
    })
    const shapes = inferShapes(model)
    const [a, b] = model.graph.outputs.map((output) => `${shapes.shapeOf(output)}`)
    expect(a).toBe(b)
  })
})

describe('Concat and Split', () => {
  it('add sizes up and take them apart', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 6, 'h'])
      const y = g.input('y', 'float32', ['n', 2, 'h'])
      g.output('joined', g.op('Concat', [x, y, x], { axis: 1 }))
      g.output('long', g.op('Concat', [x, x], { axis: -1 }))
      const thirds = g.node('Split', [x], { axis: 1 }, { outputs: 3 })
      const given = g.node('Split', [x, int64([1, 2, 3])], { axis: -2 }, { outputs: 3 })
      const sizes = g.node('Split', [g.op('Shape', [x])], {}, { outputs: 3 })
      for (const [index, output] of [...thirds.outputs, ...given.outputs, ...sizes.outputs].entries()) {
        if (output) g.output(`part${index}`, output)
      }
    })
    const shapes = await expectShapes(model, { n: 2, h: 3 })
    const text = (name: string): string => {
      const value = model.graph.outputs.find((output) => output.name === name)
      return `${value && shapes.shapeOf(value)} ${value && shapes.dataOf(value)}`
    }
    expect(text('joined')).toBe('n,14,h undefined')
    expect(text('part6')).toBe('1 n')
  })

  it.each([7, 11, 18])('split evenly or not in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 7])
        const even = g.node('Split', [g.op('Concat', [x, x], { axis: 0 })], opset < 18 ? {} : { num_outputs: 2 }, {
          outputs: 2,
        })
        const parts =
          opset < 18
            ? g.node('Split', [x], { axis: 1, split: [3, 3, 1] }, { outputs: 3 })
            : g.node('Split', [x], { axis: 1, num_outputs: 3 }, { outputs: 3 })
        for (const [index, output] of [...even.outputs, ...parts.outputs].entries())
          if (output) g.output(`y${index}`, output)
      },
      { opset },
    )
    await expectShapes(model, { n: 3 })
  })

  it('takes the better known of two sizes that must agree', () => {
    const build = (g: GraphBuilder): Value =>
      g.op('Concat', [g.input('a', 'float32', ['n', 2]), g.input('b', 'float32', [4, 'm'])], { axis: 1 })
    expect(inferred(build)).toBe('4,m+2')
  })
})

describe('sizes that only a run knows', () => {
  it('are open, and the rest is not', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      g.output('nonzero', g.op('NonZero', [x]))
      const unique = g.node('Unique', [x], {}, { outputs: 4 })
      const rows = g.node('Unique', [x], { axis: 0 }, { outputs: 4 })
      const condition = Tensor.fromNumbers('bool', [3], [1, 0, 1])
      g.output('compressed', g.op('Compress', [x, condition], { axis: 1 }))
      g.output('flat', g.op('Compress', [x, condition]))
      for (const [index, output] of [...unique.outputs, ...rows.outputs].entries())
        if (output) g.output(`u${index}`, output)
      const boxes = g.op('Unsqueeze', [x, int64([0])])
      const scores = g.op('Unsqueeze', [g.op('ReduceMax', [x], { axes: [1], keepdims: 0 }), int64([0, 1])])
      g.output('nms', g.op('NonMaxSuppression', [boxes, scores, int64([2])]))
    })
    await expectShapes(model, { n: 3 }, { open: true })
  })
})

describe('OneHot', () => {
  it.each([-1, 0, 1])('adds the depth at axis %i', async (axis) => {
    const model = buildModel((g) => {
      const indices = g.input('i', 'int64', ['n', 3])
      g.output('y', g.op('OneHot', [indices, int64([5]), Tensor.fromNumbers('float32', [2], [0, 1])], { axis }))
    })
    await expectShapes(model, { n: 2 })
  })
})
