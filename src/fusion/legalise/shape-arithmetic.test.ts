import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../graph/index.ts'
import { shapeArithmetic } from './index.ts'

type Build = (g: GraphBuilder) => void

const dimensions = { b: 2, s: 5, n: 3 }
const fuse = (name: string, build: Build, options: Partial<Parameters<typeof fuseGraph>[1]> = {}): Promise<Fused> =>
  fuseGraph(build, { only: [name], dimensions, ...options })

const scalar = (number: number): Tensor => int64(number)
const zeros = (dims: readonly number[]): Tensor =>
  Tensor.fromNumbers('float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)))

/** The batch of x as an int64 scalar, as exporters read it. */
const sizeOf = (g: GraphBuilder, x: Value, axis: number): Value => g.op('Gather', [g.op('Shape', [x]), scalar(axis)])
const vector = (g: GraphBuilder, ...parts: Operand[]): Value => g.op('Concat', parts, { axis: 0 })
const unsqueeze = (g: GraphBuilder, x: Operand, ...axes: number[]): Value => g.op('Unsqueeze', [x, int64(axes)])
const range = (g: GraphBuilder, size: Operand): Value => g.op('Range', [scalar(0), size, scalar(1)])

const fires: Record<string, Record<string, Build>> = {
  'lower-size': {
    'of floats': (g) => g.output('y', g.op('Size', [g.op('Relu', [g.input('x', 'float32', ['b', 3])])])),
    'of int32': (g) => g.output('y', g.op('Size', [g.input('x', 'int32', ['b', 's', 2])])),
    'of a scalar': (g) => g.output('y', g.op('Size', [g.input('x', 'float32', [])])),
  },
  'input-shape': {
    'a Gather for each size': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      g.output(
        'y',
        g.op('Expand', [
          zeros([1, 1, 1]),
          vector(g, unsqueeze(g, sizeOf(g, x, 0), 0), int64([4]), unsqueeze(g, sizeOf(g, x, 1), 0)),
        ]),
      )
    },
    'through int32, as TensorFlow has it': (g) => {
      const x = g.input('x', 'float32', ['b', 7])
      const int32 = g.op('Slice', [g.op('Cast', [g.op('Shape', [x])], { to: 6 }), int64([0]), int64([1])])
      const shape = g.op('Cast', [g.op('Concat', [int32, Tensor.fromNumbers('int32', [1], [3])], { axis: 0 })], {
        to: 7,
      })
      g.output('y', g.op('Expand', [zeros([1, 3]), shape]))
    },
    'chosen by a Where': (g) => {
      const x = g.op('Transpose', [g.input('x', 'float32', ['b', 3, 's'])], { perm: [0, 2, 1] })
      const shape = vector(g, unsqueeze(g, sizeOf(g, x, 0), 0), int64([1, 1]))
      const isMinusOne = g.op('Equal', [int64([5, 1, 1]), int64([-1, -1, -1])])
      g.output(
        'y',
        g.op('Concat', [g.op('Expand', [zeros([1, 1, 3]), g.op('Where', [isMinusOne, int64([1, 1, 1]), shape])]), x], {
          axis: 1,
        }),
      )
    },
    'the sizes of what int64 looks up, rather than of the int64 itself': (g) => {
      const ids = g.input('ids', 'int64', ['b', 's'])
      const rows = g.op('Gather', [zeros([9, 4]), ids])
      const shape = vector(g, g.op('Shape', [ids], { start: 0, end: 1 }), int64([1, 4]))
      g.output('y', g.op('Concat', [g.op('Expand', [zeros([1, 1, 4]), shape]), rows], { axis: 1 }))
    },
  },
  'shape-part': {
    'a Gather of one position': (g) =>
      g.output('y', g.op('Gather', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]), int64([1])])),
    'a Gather from the back': (g) =>
      g.output('y', g.op('Gather', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]), int64([-1])])),
    'a Gather of two in order': (g) =>
      g.output('y', g.op('Gather', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]), int64([1, 2])])),
    'a Slice': (g) =>
      g.output('y', g.op('Slice', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]), int64([-2]), int64([-1])])),
    'a Slice to the end': (g) =>
      g.output(
        'y',
        g.op('Slice', [
          g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]),
          int64([1]),
          int64([Number.MAX_SAFE_INTEGER]),
          int64([0]),
          int64([1]),
        ]),
      ),
  },
  'gather-in-order': {
    'a flattened mask': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const mask = g.op('Flatten', [g.op('Greater', [x, 0])], { axis: 2 })
      const rows = g.op('Mul', [unsqueeze(g, range(g, sizeOf(g, x, 0)), 1, 2, 3), sizeOf(g, x, 1)])
      const index = g.op('Add', [rows, unsqueeze(g, range(g, sizeOf(g, x, 1)), 0, 1, 2)])
      g.output('y', g.op('Cast', [g.op('Gather', [mask, index])], { to: 1 }))
    },
    'GatherND by row and column': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const row = unsqueeze(g, range(g, sizeOf(g, x, 0)), 1, 2, 3)
      const column = unsqueeze(g, range(g, sizeOf(g, x, 1)), 0, 1, 2)
      const shape = g.op('Shape', [g.op('Max', [row, column])])
      const index = g.op(
        'Concat',
        [row, column].map((part) => unsqueeze(g, g.op('Expand', [part, shape]), 4)),
        { axis: -1 },
      )
      g.output('y', g.op('GatherND', [x, index]))
    },
    'GatherND by row and column, of the rows that another input has': (g) => {
      const ids = g.input('ids', 'float32', ['b', 's'])
      const x = g.input('x', 'float32', [7, 's'])
      const row = unsqueeze(g, range(g, sizeOf(g, ids, 0)), 1, 2, 3)
      const column = unsqueeze(g, range(g, sizeOf(g, x, 1)), 0, 1, 2)
      const shape = g.op('Shape', [g.op('Max', [row, column])])
      const parts = [row, column].map((part) => unsqueeze(g, g.op('Expand', [part, shape]), 4))
      g.output('y', g.op('GatherND', [x, g.op('Concat', parts, { axis: -1 })]))
      g.output('z', g.op('Relu', [ids]))
    },
    'GatherND by constants': (g) => {
      const index = [0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2]
      g.output(
        'y',
        g.op('GatherND', [g.input('x', 'float32', [2, 3]), Tensor.fromNumbers('int64', [2, 1, 3, 2], index)]),
      )
    },
    'the first positions of a table': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const ids = Tensor.fromNumbers(
        'int64',
        [1, 9],
        Array.from({ length: 9 }, (_, index) => index),
      )
      const end = unsqueeze(g, sizeOf(g, x, 1), 0)
      const first = g.op('Slice', [ids, int64([0]), end, int64([1]), int64([1])])
      const table = g.constant(
        Float32Array.from({ length: 36 }, (_, index) => index),
        { dims: [9, 4] },
      )
      g.output('y', g.op('Gather', [table, first]))
    },
  },
  'always-true': {
    'positions that are not below 0': (g) => {
      const x = g.input('x', 'float32', ['b', 1, 1, 's'])
      const positions = unsqueeze(g, range(g, sizeOf(g, x, 3)), 0, 1, 3)
      const condition = g.op('GreaterOrEqual', [positions, scalar(0)])
      g.output('y', g.op('Cast', [g.op('And', [condition, g.op('Greater', [x, 0])])], { to: 1 }))
    },
    'on the right, against less than 0': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const condition = g.op('GreaterOrEqual', [range(g, sizeOf(g, x, 1)), int64([-3])])
      g.output('y', g.op('Cast', [g.op('And', [g.op('Greater', [x, 0]), condition])], { to: 1 }))
    },
    'a constant that is true everywhere': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const condition = Tensor.fromNumbers('bool', [3, 1, 1], [1, 1, 1])
      g.output('y', g.op('Cast', [g.op('And', [condition, g.op('Greater', [x, 0])])], { to: 1 }))
    },
  },
  'not-condition': {
    'a condition on a size': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const condition = g.op('Not', [g.op('Equal', [sizeOf(g, x, 1), scalar(5)])])
      const branch = (op: string) => g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [x])))
      g.output('y', g.op('If', [condition], { then_branch: branch('Neg'), else_branch: branch('Abs') }))
    },
  },
  'range-int32': {
    'compared with itself, and made a float': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const positions = unsqueeze(g, range(g, sizeOf(g, x, 1)), 0)
      const causal = g.op('LessOrEqual', [unsqueeze(g, positions, 1), unsqueeze(g, positions, 2)])
      g.output('causal', g.op('Cast', [causal], { to: 1 }))
      g.output('angles', g.op('Mul', [g.op('Cast', [unsqueeze(g, positions, 2)], { to: 1 }), [0.5, 2, 4]]))
    },
    'made a float behind a view that is wanted itself': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const positions = range(g, sizeOf(g, x, 1))
      g.output('y', g.op('Cast', [g.output('row', unsqueeze(g, positions, 0))], { to: 1 }))
      g.output('z', g.op('Cast', [unsqueeze(g, positions, 1)], { to: 1 }))
    },
    'compared with a number': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      g.output('y', g.op('Cast', [g.op('Less', [range(g, sizeOf(g, x, 1)), scalar(3)])], { to: 1 }))
    },
    'needed as int64 as well': (g) => {
      const x = g.input('x', 'float32', ['b', 's'])
      const positions = range(g, sizeOf(g, x, 1))
      g.output('y', g.op('Cast', [g.op('Less', [positions, scalar(3)])], { to: 1 }))
      g.output('z', g.op('Gather', [zeros([9, 2]), positions]))
    },
  },
}

const cases = Object.entries(fires).flatMap(([name, list]) =>
  Object.entries(list).map(([spelling, build]) => [name, spelling, build] as const),
)

describe('the arithmetic of shapes', () => {
  it('is tested each', () => {
    expect(Object.keys(fires).sort()).toEqual(shapeArithmetic.map(({ name }) => name).sort())
  })

  it.each(cases)('%s: %s', async (name, _spelling, build) => {
    const { report } = await fuse(name, build)
    expect(report.fusions).toEqual({ [name]: expect.any(Number) })
    // The same for other sizes, with everything else, and not at all within the standard.
    await fuseGraph(build, { dimensions: { b: 1, s: 5, n: 1 } })
    await fuseGraph(build, { dimensions: { b: 3, s: 1, n: 2 } })
    const standard = await fuse(name, build, { target: 'onnx' })
    expect(standard.report.fusions).toEqual({})
  })

  it('holds for whatever sizes', async () => {
    const sizes = fc.record({ b: fc.integer({ min: 1, max: 4 }), s: fc.integer({ min: 1, max: 8 }) })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cases), sizes, async ([name, , build], { b, s }) => {
        await fuse(name, build, { dimensions: { b, s } })
      }),
      { numRuns: 40 },
    )
  })
})

describe('what is left alone', () => {
  it.each<[string, string, Build]>([
    [
      'input-shape',
      'a size of no input',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const twice = g.op('Mul', [unsqueeze(g, sizeOf(g, x, 0), 0), int64([2])])
        g.output('y', g.op('Expand', [zeros([1]), twice]))
      },
    ],
    [
      'shape-part',
      'positions out of order',
      (g) => g.output('y', g.op('Gather', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]), int64([1, 0])])),
    ],
    ['shape-part', 'a scalar position', (g) => g.output('y', sizeOf(g, g.input('x', 'float32', ['b', 's', 3]), 1))],
    [
      'shape-part',
      'every second size',
      (g) =>
        g.output(
          'y',
          g.op('Slice', [
            g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])]),
            int64([0]),
            int64([3]),
            int64([0]),
            int64([2]),
          ]),
        ),
    ],
    [
      'shape-part',
      'a Shape of a part',
      (g) =>
        g.output(
          'y',
          g.op('Gather', [g.op('Shape', [g.input('x', 'float32', ['b', 's', 3])], { start: 1 }), int64([0])]),
        ),
    ],
    [
      'gather-in-order',
      'rows the other way round',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const row = g.op('Mul', [range(g, sizeOf(g, x, 0)), sizeOf(g, x, 1)])
        const index = g.op('Add', [unsqueeze(g, range(g, sizeOf(g, x, 1)), 1), row])
        g.output('y', g.op('Gather', [g.op('Reshape', [x, int64([-1])]), index]))
      },
    ],
    [
      'gather-in-order',
      'constants in another order',
      (g) =>
        g.output(
          'y',
          g.op('GatherND', [g.input('x', 'float32', [2, 2]), Tensor.fromNumbers('int64', [2, 2], [1, 1, 0, 0])]),
        ),
    ],
    [
      'gather-in-order',
      'positions from 1',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const index = g.op('Range', [scalar(1), sizeOf(g, x, 1), scalar(1)])
        g.output('y', g.op('Gather', [x, index], { axis: 1 }))
      },
    ],
    [
      'always-true',
      'positions against 1',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const condition = g.op('GreaterOrEqual', [range(g, sizeOf(g, x, 1)), scalar(1)])
        g.output('y', g.op('Cast', [g.op('And', [condition, g.op('Greater', [x, 0])])], { to: 1 }))
      },
    ],
    [
      'always-true',
      'a constant that is false somewhere',
      (g) => {
        const condition = Tensor.fromNumbers('bool', [2], [1, 0])
        g.output('y', g.op('And', [condition, g.input('x', 'bool', ['b', 2])]))
      },
    ],
    [
      'always-true',
      'positions that may be below 0',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const positions = g.op('Sub', [range(g, sizeOf(g, x, 1)), scalar(2)])
        const condition = g.op('GreaterOrEqual', [positions, scalar(0)])
        g.output('y', g.op('Cast', [g.op('And', [condition, g.op('Greater', [x, 0])])], { to: 1 }))
      },
    ],
    [
      'not-condition',
      'a condition made on the GPU',
      (g) => {
        const x = g.input('x', 'float32', [])
        const branch = (op: string) => g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [x])))
        const condition = g.op('Not', [g.op('Greater', [x, 0])])
        g.output('y', g.op('If', [condition], { then_branch: branch('Neg'), else_branch: branch('Abs') }))
      },
    ],
    [
      'not-condition',
      'what is no condition',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        const condition = g.op('Not', [g.op('Equal', [sizeOf(g, x, 1), scalar(5)])])
        g.output('y', g.op('Cast', [condition], { to: 1 }))
      },
    ],
    [
      'range-int32',
      'positions needed as int64 alone',
      (g) => {
        const x = g.input('x', 'float32', ['b', 's'])
        g.output('y', g.op('Gather', [zeros([9, 2]), range(g, sizeOf(g, x, 1))]))
      },
    ],
    [
      'range-int32',
      'positions beyond int32',
      (g) => {
        const end = Tensor.fromNumbers('int64', [], [2 ** 40 + 3])
        const far = g.op('Range', [scalar(2 ** 40), end, scalar(1)])
        g.output('y', g.op('Mul', [g.op('Cast', [far], { to: 1 }), g.input('x', 'float32', [1])]))
      },
    ],
    [
      'lower-size',
      'the size of a shape, which is on the CPU',
      (g) => g.output('y', g.op('Size', [g.op('Shape', [g.input('x', 'float32', ['b', 3])])])),
    ],
  ])('%s leaves %s', async (name, _what, build) => {
    const { report } = await fuse(name, build)
    expect(report.fusions).toEqual({})
  })
})
