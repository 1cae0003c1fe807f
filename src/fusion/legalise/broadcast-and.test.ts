import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { buildModel, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const asFloat = (g: GraphBuilder, condition: Value): Value => g.op('Cast', [condition], { to: 1 })
const isPositive = (g: GraphBuilder, x: Value): Value => g.op('Greater', [x, 0])
const conditionOf = (g: GraphBuilder, name: string, shape: readonly (number | string)[]): Value =>
  isPositive(g, g.input(name, 'float32', shape))
const triangle = Tensor.fromNumbers(
  'bool',
  [4, 4],
  Array.from({ length: 16 }, (_, index) => Number(index % 4 <= Math.floor(index / 4))),
)
const types = ['float32'] as const

testLowering('broadcast-and', {
  op: 'And',
  spellings: {
    'a column and a row': {
      build: (g, x) => asFloat(g, g.op('And', [isPositive(g, x), conditionOf(g, 'z', [1, 8])])),
      shape: [4, 1],
      types,
    },
    'a triangle and a column that is negated': {
      build: (g, x) => asFloat(g, g.op('And', [triangle, g.op('Not', [isPositive(g, x)])])),
      shape: [2, 1, 4, 1],
      types,
    },
    'a row of another rank, sizes open, in opset 9': {
      build: (g, x) => asFloat(g, g.op('And', [isPositive(g, x), conditionOf(g, 'z', ['w'])])),
      shape: ['n', 'm', 1],
      opset: 9,
      types,
    },
  },
  special: true,
})

describe('broadcast-and leaves alone', () => {
  const both = (a: readonly (number | string)[], b: readonly (number | string)[], target: 'web' | 'onnx' = 'web') =>
    fuseGraph((g) => g.output('y', asFloat(g, g.op('And', [conditionOf(g, 'a', a), conditionOf(g, 'b', b)]))), {
      only: ['broadcast-and'],
      target,
    })

  it.each([
    ['the same shape', [2, 'n'], [2, 'n']],
    ['the same last axis', [2, 1, 'n'], [3, 'n']],
    ['one element', [2, 4], [1]],
  ] as const)('operands of %s', async (_, a, b) => {
    expect((await both(a, b)).ops).toContain('And')
  })

  it('everything when the target is the standard', async () => {
    expect((await both([4, 1], [1, 4], 'onnx')).ops).toContain('And')
  })

  it('what compares sizes, on the CPU', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const dims = g.op('Shape', [g.input('x', 'float32', ['n', 'm'])])
        g.output(
          'y',
          g.op('And', [
            g.op('Greater', [dims, int64(3)]),
            g.op('Greater', [g.op('Unsqueeze', [dims], { axes: [1] }), int64(2)]),
          ]),
        )
      },
      { only: ['broadcast-and'], opset: 12 },
    )
    expect(ops).toContain('And')
  })

  it('an opset that broadcasts in a way of its own', () => {
    const model = buildModel(
      (g) =>
        g.output(
          'y',
          g.op('And', [g.input('a', 'bool', [4, 1]), g.input('b', 'bool', [4])], { broadcast: 1, axis: 0 }),
        ),
      { opset: 6 },
    )
    expect(fuse(model, { only: ['broadcast-and'] }).model).toBe(model)
  })
})
