import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

/** A condition, back as a float, so that something follows. */
const asFloat = (g: GraphBuilder, condition: Value): Value => g.op('Cast', [condition], { to: 1 })
const isPositive = (g: GraphBuilder, x: Value): Value => g.op('Greater', [x, 0])
const slice = (g: GraphBuilder, b: Value): Value => g.op('Slice', [b, int64([1]), int64([3]), int64([1])])

testLowering('bool-movement', {
  spellings: {
    'Slice of a comparison': (g, x) => asFloat(g, slice(g, isPositive(g, x))),
    'Slice of a Cast': (g, x) => asFloat(g, slice(g, g.op('Cast', [g.op('Relu', [x])], { to: 9 }))),
    'Transpose in opset 13': {
      build: (g, x) => asFloat(g, g.op('Transpose', [isPositive(g, x)], { perm: [1, 0, 3, 2] })),
      opset: 13,
    },
    'Concat of several, sizes open': {
      build: (g, x) => asFloat(g, g.op('Concat', [isPositive(g, x), g.op('Not', [isPositive(g, x)])], { axis: 1 })),
      shape: ['n', 'm'],
    },
    'Split, of which all parts are used': (g, x) => {
      const halves = g.node('Split', [isPositive(g, x), int64([2, 2])], { axis: 1 }, { outputs: 2 }).outputs
      return g.op(
        'Add',
        halves.flatMap((half) => (half === undefined ? [] : [asFloat(g, half)])),
      )
    },
    'Tile and Squeeze': (g, x) =>
      asFloat(
        g,
        g.op('Squeeze', [
          g.op('Tile', [g.op('Unsqueeze', [isPositive(g, x), int64([0])]), int64([1, 2, 1, 1, 1])]),
          int64([0]),
        ]),
      ),
  },
})

describe('bool-movement leaves alone', () => {
  const sliced = (condition: (g: GraphBuilder) => Value, options: Parameters<typeof fuseGraph>[1] = {}) =>
    fuseGraph((g) => g.output('y', g.op('Slice', [condition(g), int64([1]), int64([3]), int64([0])])), {
      only: ['bool-movement'],
      ...options,
    })

  it('what the CPU computes', async () => {
    const { ops, reasons } = await sliced((g) => g.op('Equal', [g.input('ids', 'int64', [4]), int64(1)]))
    expect(ops).toEqual(['Equal', 'Slice'])
    expect(reasons).toEqual([expect.stringMatching(/is computed on the CPU$/)])
  })

  it('an opset in which floats have no kernel either', async () => {
    const greater = (g: GraphBuilder): Value => g.op('Greater', [g.input('x', 'float32', [4]), 0])
    const { reasons } = await fuseGraph(
      (g) => g.output('y', g.op('Slice', [greater(g)], { starts: [1], ends: [3], axes: [0] })),
      { only: ['bool-movement'], opset: 9 },
    )
    expect(reasons).toEqual(['Slice has no WebGPU kernel for float32 either'])
  })

  it('other types, what has a kernel, and everything when the target is the standard', async () => {
    expect((await sliced((g) => g.op('Relu', [g.input('x', 'float32', [4])]))).ops).toEqual(['Relu', 'Slice'])
    const condition = (g: GraphBuilder): Value => g.op('Greater', [g.input('x', 'float32', [4]), 0])
    expect((await sliced(condition, { target: 'onnx' })).ops).toEqual(['Greater', 'Slice'])
    expect((await sliced(condition)).ops).toEqual(['Greater', 'Cast', 'Slice', 'Cast'])
  })
})
