import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, type Dimension, type GraphBuilder, int64, Tensor, type Value } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const inferred = (build: (g: GraphBuilder) => Value, opset = 17): string => {
  const model = buildModel((g) => g.output('y', build(g)), { opset })
  const shapes = inferShapes(model)
  const [y] = model.graph.outputs
  return y === undefined ? '' : `${shapes.shapeOf(y)}`
}

describe('Reshape', () => {
  it('fills in the size left over, and copies dims', async () => {
    const draws = fc.record({
      dims: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      group: fc.integer({ min: 0, max: 3 }),
      open: fc.nat(3),
      copies: fc.array(fc.boolean(), { maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(draws, async ({ dims, group, open, copies }) => {
        // Neighbouring dims from `group` on are joined; one entry is −1; those before the group may be copied by 0.
        const from = Math.min(group, dims.length - 1)
        const joined = [...dims.slice(0, from), (dims[from] ?? 1) * (dims[from + 1] ?? 1), ...dims.slice(from + 2)]
        const target = joined.map((dim, axis) => (axis < from && copies[axis] ? 0 : dim))
        target[open % target.length] = -1
        const names = dims.map((_, axis) => `d${axis}`)
        // Only the dims that the target leaves open may vary.
        const shape = dims.map((dim, axis): Dimension => (target[axis] === 0 ? (names[axis] ?? dim) : dim))
        const sizes = Object.fromEntries(names.map((name, axis) => [name, dims[axis] ?? 1]))
        const model = buildModel((g) => g.output('y', g.op('Reshape', [g.input('x', 'float32', shape), int64(target)])))
        await expectShapes(model, sizes)
      }),
      { numRuns: 60 },
    )
  })

  it.each<[string, Dimension[], number[]]>([
    ['n,32,64', ['n', 4, 8, 64], [0, -1, 64]],
    ['n*s,64', ['n', 's', 64], [-1, 64]],
    ['n,s,4,16', ['n', 's', 64], [0, 0, 4, 16]],
    ['floor(n/2),2', ['n'], [-1, 2]],
    ['n+1,2', ['n+1', 2], [-1, 2]],
  ])('gives %s', (text, shape, target) => {
    expect(inferred((g) => g.op('Reshape', [g.input('x', 'float32', shape), int64(target)]))).toBe(text)
  })

  it('follows a shape that is computed', () => {
    const text = inferred((g) => {
      const x = g.input('x', 'float32', ['b', 's', 64])
      const at = (index: number): Value => g.op('Gather', [g.op('Shape', [x]), int64(index)])
      const wide = (value: Value): Value => g.op('Unsqueeze', [value, int64([0])])
      const target = g.op('Concat', [wide(at(0)), wide(at(1)), int64([4, -1])], { axis: 0 })
      return g.op('Transpose', [g.op('Reshape', [x, target])], { perm: [0, 2, 1, 3] })
    })
    expect(text).toBe('b,4,s,16')
  })

  it('finds the one size that a shape from outside leaves open', () => {
    const text = inferred((g) => {
      const size = g.input('size', 'int64', [1])
      return g.op('Reshape', [g.input('x', 'float32', ['b', 12]), g.op('Concat', [size, int64([4])], { axis: 0 })])
    })
    expect(text).toBe('3*b,4')
  })

  it('takes 0 for a size where allowzero says so', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [0, 3])
      g.output('y', g.op('Reshape', [x, int64([3, 0])], { allowzero: 1 }))
    })
    await expectShapes(model)
  })

  it('refuses a number of elements that does not fit', () => {
    const model = buildModel((g) => g.output('y', g.op('Reshape', [g.input('x', 'float32', [2, 3]), int64([4, 2])])))
    expect([...inferShapes(model).conflicts.values()]).toEqual(['[2,3] does not reshape to [4,2].'])
  })
})

describe('the rank changes', () => {
  it.each([7, 11, 13, 21])('with Squeeze, Unsqueeze, Flatten and Transpose in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 1, 'h', 1])
        const axes = (values: number[]): [Tensor[], Record<string, number[]>] =>
          opset < 13 ? [[], { axes: values }] : [[int64(values)], {}]
        const apply = (op: string, values: number[]): void => {
          const [inputs, attributes] = axes(values)
          g.output(`${op}_${values}`, g.op(op, [x, ...inputs], attributes))
        }
        apply('Squeeze', [1])
        apply('Squeeze', opset >= 11 ? [-1, 1] : [3, 1])
        apply('Unsqueeze', [0, 5])
        if (opset >= 11) apply('Unsqueeze', [-1])
        for (const axis of [0, 1, 2, 4]) g.output(`flat${axis}`, g.op('Flatten', [x], { axis }))
        g.output('transposed', g.op('Transpose', [x]))
        g.output('permuted', g.op('Transpose', [x], { perm: [0, 2, 3, 1] }))
        g.output('every', g.op('Squeeze', [g.input('z', 'float32', [1, 5, 1])]))
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 3 })
  })

  it('stays open when a dim may be 1 or not', () => {
    expect(inferred((g) => g.op('Squeeze', [g.input('x', 'float32', ['n', 1])]))).toBe('undefined')
  })
})

describe('elements are repeated', () => {
  it('by Expand and Tile', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 1, 3])
      const shape = g.op('Shape', [g.input('like', 'float32', [4, 1, 'h', 3])])
      g.output('expanded', g.op('Expand', [x, shape]))
      g.output('fixed', g.op('Expand', [x, int64([5, 1])]))
      g.output('tiled', g.op('Tile', [x, int64([2, 1, 4])]))
      g.output(
        'byShape',
        g.op('Tile', [g.op('Reshape', [x, int64([-1])]), g.op('Slice', [shape, int64([2]), int64([3])])]),
      )
      g.output('twice', g.op('Tile', [shape, int64([2])]))
      g.output('rows', g.op('Expand', [g.op('Unsqueeze', [shape, int64([0])]), int64([2, 4])]))
    })
    await expectShapes(model, { n: 2, h: 6 })
  })
})

describe('blocks', () => {
  it('move between depth and space', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 8, 'h', 6])
      g.output('space', g.op('DepthToSpace', [x], { blocksize: 2 }))
      g.output('depth', g.op('SpaceToDepth', [g.op('DepthToSpace', [x], { blocksize: 2 })], { blocksize: 2 }))
    })
    const shapes = await expectShapes(model, { n: 2, h: 5 })
    expect(model.graph.outputs.map((output) => `${shapes.shapeOf(output)}`)).toEqual(['n,2,2*h,12', 'n,8,h,6'])
  })

  it('of size 0 have no shape', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 8, 4, 6])
      g.output('space', g.op('DepthToSpace', [x], { blocksize: 0 }))
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => shapes.shapeOf(output))).toEqual([undefined])
  })
})

describe('Pad', () => {
  it.each([7, 11, 13, 18])('grows and shrinks axes in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 'h', 4])
        const pads = [0, 1, -1, 2, 3, 0]
        if (opset < 11) g.output('y', g.op('Pad', [x], { pads }))
        else g.output('y', g.op('Pad', [x, int64(pads)]))
        if (opset >= 18) g.output('axes', g.op('Pad', [x, int64([1, 2]), undefined, int64([-1])]))
        if (opset >= 18) g.output('cropped', g.op('CenterCropPad', [x, int64([7, 2])], { axes: [1, 2] }))
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 3 })
  })

  it('follows pads which an exporter turns round', () => {
    // torch.nn.functional.pad as it is exported.
    const text = inferred((g) => {
      const x = g.input('x', 'float32', ['n', 3, 'h', 'w'])
      const given = g.op(
        'Concat',
        [int64([1, 2, 3, 4]), g.op('ConstantOfShape', [int64([4])], { value: int64([0]) })],
        { axis: 0 },
      )
      const pairs = g.op('Reshape', [given, int64([-1, 2])])
      const reversed = g.op('Slice', [pairs, int64([-1]), int64([-(2 ** 62)]), int64([0]), int64([-1])])
      const pads = g.op('Reshape', [g.op('Transpose', [reversed], { perm: [1, 0] }), int64([-1])])
      return g.op('Pad', [x, g.op('Cast', [pads], { to: 7 })])
    })
    expect(text).toBe('n,3,h+7,w+3')
  })
})

describe('a tensor of unknown rank', () => {
  it('leaves the rank open or not, as the operator says', () => {
    const of = (build: (g: GraphBuilder, x: Value) => Value): number | undefined => {
      const model = buildModel((g) => g.output('y', build(g, g.input('x', 'float32'))))
      const [y] = model.graph.outputs
      return y && inferShapes(model).shapeOf(y)?.length
    }
    expect(of((g, x) => g.op('Flatten', [x]))).toBe(2)
    expect(of((g, x) => g.op('Reshape', [x, g.input('shape', 'int64', [3])]))).toBe(3)
    expect(of((g, x) => g.op('Reshape', [x, int64([2, -1])]))).toBe(2)
    expect(of((g, x) => g.op('Transpose', [x], { perm: [1, 0] }))).toBe(2)
    expect(of((g, x) => g.op('Squeeze', [x]))).toBeUndefined()
    expect(of((g, x) => g.op('Tile', [x, Tensor.fromNumbers('int64', [1], [2])]))).toBeUndefined()
  })
})
