import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { findNode } from '../../../test/support/find.ts'
import { type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { Options } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['constant-view']
const random = new Random(3)

/** The sum of x and a view of a constant: x broadcasts to it. */
const fused = (
  dims: readonly number[],
  view: (g: GraphBuilder, weight: Value) => Value,
  options: Options = {},
): Promise<Fused> =>
  fuseGraph(
    (g) => g.output('y', g.op('Add', [view(g, g.constant(random.tensor(dims))), g.input('x', 'float32', [1])])),
    { only, ...options },
  )

const dimsOf = ({ model }: Fused): readonly number[] | undefined => findNode(model, 'Add').inputs[0]?.constant?.dims

describe('constant-view works out', () => {
  it.each<[string, number[], (g: GraphBuilder, weight: Value) => Value, number[], number]>([
    ['Reshape', [2, 6], (g, w) => g.op('Reshape', [w, int64([3, -1])]), [3, 4], 17],
    ['Reshape with a size that is copied', [2, 6], (g, w) => g.op('Reshape', [w, int64([0, 2, 3])]), [2, 2, 3], 7],
    ['Reshape where 0 means 0', [2, 0], (g, w) => g.op('Reshape', [w, int64([0, 5])], { allowzero: 1 }), [0, 5], 14],
    ['Flatten', [2, 3, 4], (g, w) => g.op('Flatten', [w], { axis: -1 }), [6, 4], 13],
    ['Flatten without elements', [0, 5], (g, w) => g.op('Flatten', [w], { axis: 1 }), [0, 5], 9],
    ['Flatten before the first axis', [2, 3], (g, w) => g.op('Flatten', [w], { axis: 0 }), [1, 6], 9],
    ['Squeeze of all ones', [1, 2, 1, 3], (g, w) => g.op('Squeeze', [w]), [2, 3], 11],
    ['Squeeze by an attribute', [1, 2, 1], (g, w) => g.op('Squeeze', [w], { axes: [2] }), [1, 2], 11],
    ['Squeeze by an operand', [1, 2, 1], (g, w) => g.op('Squeeze', [w, int64([-3])]), [2, 1], 13],
    ['Unsqueeze by an attribute', [2, 3], (g, w) => g.op('Unsqueeze', [w], { axes: [0, 3] }), [1, 2, 3, 1], 11],
    ['Unsqueeze by an operand', [2, 3], (g, w) => g.op('Unsqueeze', [w, int64([-1, 1])]), [2, 1, 3, 1], 13],
    ['Transpose', [2, 3, 4], (g, w) => g.op('Transpose', [w], { perm: [1, 2, 0] }), [3, 4, 2], 17],
    ['Transpose of all axes', [2, 3], (g, w) => g.op('Transpose', [w]), [3, 2], 9],
  ])('%s', async (_, dims, view, expected, opset) => {
    const result = await fused(dims, view, { opset })
    expect(result.ops).toEqual(['Add'])
    expect(dimsOf(result)).toEqual(expected)
  })

  it('a constant of another type', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const weight = g.constant(Tensor.fromNumbers('int64', [2, 2], [1, -2, 3, 2 ** 40]))
        g.output('y', g.op('Add', [g.op('Transpose', [weight]), g.input('x', 'int64', [1])]))
      },
      { only, feeds: { x: int64([7]) } },
    )
    expect(ops).toEqual(['Add'])
  })

  it('a small constant that others use, as a copy', async () => {
    const { ops } = await fused([2, 2], (g, w) => g.op('Mul', [w, g.op('Transpose', [w])]))
    expect(ops).toEqual(['Mul', 'Add'])
  })
})

describe('constant-view leaves alone', () => {
  it('a large constant that others use, of which there would be two', async () => {
    const { ops, reasons } = await fused([100, 100], (g, w) => g.op('Mul', [w, g.op('Transpose', [w])]))
    expect(ops).toEqual(['Transpose', 'Mul', 'Add'])
    expect(reasons).toEqual([expect.stringMatching(/has other users, and a second copy of it would take 40000 bytes/)])
  })

  it('a shape that is computed', async () => {
    const { ops, reasons } = await fuseGraph(
      (g) => {
        const shape = g.op('Abs', [g.input('shape', 'int64', [2])])
        g.output('y', g.op('Reshape', [g.constant(random.tensor([2, 3])), shape]))
      },
      { only, feeds: { shape: int64([3, 2]) } },
    )
    expect(ops).toEqual(['Abs', 'Reshape'])
    expect(reasons).toEqual([expect.stringMatching(/is computed, not a constant/)])
  })

  it('an output, which needs a node to come from', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        g.output('w', g.op('Transpose', [g.constant(random.tensor([2, 3]))]))
        g.output('y', g.op('Relu', [g.input('x', 'float32', [2])]))
      },
      { only },
    )
    expect(ops).toEqual(['Transpose', 'Relu'])
  })

  it.each<[string, number[]]>([
    ['of another size', [5, -1]],
    ['with a size that is not there to be copied', [2, 3, 2, 0]],
  ])('a shape %s, which no runtime takes', (_, shape) => {
    const model = buildModel((g) => {
      const view = g.op('Reshape', [g.constant(random.tensor([2, 6])), int64(shape)])
      g.output('y', g.op('Add', [view, g.input('x', 'float32', [1])]))
    })
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('a Squeeze of axes that are not 1, which no runtime takes', () => {
    const model = buildModel((g) => {
      const view = g.op('Squeeze', [g.constant(random.tensor([2, 6])), int64([0, 0])])
      g.output('y', g.op('Add', [view, g.input('x', 'float32', [1])]))
    })
    expect(fuse(model, { only }).model).toBe(model)
  })
})

testDrawn(
  'constant-view',
  fc.record({
    shape: shapes({ max: 4 }),
    views: fc.array(
      fc.record({ op: fc.constantFrom('Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'), seed: fc.nat() }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    opset: fc.constantFrom(9, 11, 13, 17),
  }),
  ({ shape, views, opset }) => ({
    build: (g) => {
      let dims: readonly number[] = shape
      let value = g.constant(random.tensor(dims))
      for (const { op, seed } of views) [value, dims] = drawnView(g, value, dims, op, seed, opset)
      g.output('y', g.op('Mul', [value, g.input('x', 'float32', [1])]))
    },
    opset,
    fires: views.length,
  }),
)

/** A view of a constant, its numbers chosen by the seed. Gives its dims as well. */
function drawnView(
  g: GraphBuilder,
  value: Value,
  dims: readonly number[],
  op: string,
  seed: number,
  opset: number,
): [Value, readonly number[]] {
  const rank = dims.length
  const negative = opset >= 11 && seed % 2 === 1
  const size = dims.reduce((product, dim) => product * dim, 1)
  const withAxes = (axes: readonly number[]): Value =>
    opset < 13 ? g.op(op, [value], { axes }) : g.op(op, [value, int64(axes)])
  switch (op) {
    case 'Reshape': {
      const copied = seed % (rank + 1)
      const rest = dims.slice(copied).reduce((product, dim) => product * dim, 1)
      const shape = [...dims.slice(0, copied).map(() => 0), negative ? -1 : rest]
      return [g.op('Reshape', [value, int64(shape)]), [...dims.slice(0, copied), rest]]
    }
    case 'Flatten': {
      const axis = seed % Math.max(rank, 1)
      const rows = dims.slice(0, axis).reduce((product, dim) => product * dim, 1)
      return [g.op('Flatten', [value], { axis: negative ? axis - rank : axis }), [rows, size / rows]]
    }
    case 'Squeeze': {
      const ones = dims.flatMap((dim, axis) => (dim === 1 ? [axis] : []))
      const axes = ones.filter((_, index) => (seed >> index) % 2 === 0)
      if (axes.length === 0) return [g.op('Squeeze', [value]), dims.filter((dim) => dim !== 1)]
      const squeezed = withAxes(negative ? axes.map((axis) => axis - rank) : axes)
      return [squeezed, dims.filter((_, axis) => !axes.includes(axis))]
    }
    case 'Unsqueeze': {
      const axis = seed % (rank + 1)
      return [withAxes([negative ? axis - rank - 1 : axis]), dims.toSpliced(axis, 0, 1)]
    }
    default: {
      const by = seed % Math.max(rank, 1)
      const perm = dims.map((_, axis) => (axis + by) % rank)
      return by === 0
        ? [g.op('Transpose', [value]), dims.toReversed()]
        : [g.op('Transpose', [value], { perm }), perm.map((axis) => dims[axis] ?? 1)]
    }
  }
}
