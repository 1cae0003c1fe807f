import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseAndCompare } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type ElementType, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'
import { hasKernel } from '../kernels/kernels.ts'
import { lowerings } from './index.ts'

type Build = (g: GraphBuilder, x: Value) => Value

interface Spelling {
  op: string
  build: Build
  shape?: readonly (number | string)[]
  opset?: number
  types?: readonly ElementType[]
  tolerance?: number
}

const op =
  (name: string, attributes: Record<string, number | string | readonly number[]> = {}): Build =>
  (g, x) =>
    g.op(name, [x], attributes)

const positive = (g: GraphBuilder, x: Value): Value => g.op('Greater', [x, 0])

/** A boolean operator of x > 0 and x > 0 shifted, back as numbers. */
const logical =
  (name: string): Build =>
  (g, x) => {
    const other = positive(g, g.op('Add', [x, 0.5]))
    return g.op('Cast', [g.op(name, [positive(g, g.op('Neg', [x])), other])], { to: 1 })
  }

const spellings: Record<string, readonly Spelling[]> = {
  'lower-celu': [
    { op: 'Celu', build: op('Celu') },
    { op: 'Celu', build: op('Celu', { alpha: 0.7 }) },
    { op: 'Celu', build: op('Celu', { alpha: 3 }), shape: ['n', 2, 2] },
  ],
  'lower-global-lp-pool': [
    { op: 'GlobalLpPool', build: op('GlobalLpPool') },
    { op: 'GlobalLpPool', build: op('GlobalLpPool', { p: 1 }), shape: [2, 3, 7] },
    { op: 'GlobalLpPool', build: op('GlobalLpPool'), opset: 20, shape: ['n', 3, 'h', 'w'] },
  ],
  'lower-group-normalization': [
    {
      op: 'GroupNormalization',
      opset: 18,
      build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2], [1, -1]], { num_groups: 2 }),
    },
    {
      op: 'GroupNormalization',
      opset: 21,
      build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2, 1, 3], [1, -1, 0, 2]], { num_groups: 2, epsilon: 0.1 }),
    },
    {
      op: 'GroupNormalization',
      opset: 21,
      shape: ['n', 4, 'h', 6],
      types: ['float32'],
      build: (g, x) =>
        g.op('GroupNormalization', [x, g.input('s', 'float32', [4]), g.input('b', 'float32', [4])], { num_groups: 4 }),
    },
  ],
  'lower-hardmax': [
    { op: 'Hardmax', build: op('Hardmax') },
    { op: 'Hardmax', build: op('Hardmax', { axis: 1 }) },
    { op: 'Hardmax', build: (g, x) => g.op('Hardmax', [g.op('Floor', [x])], { axis: -2 }), shape: ['n', 9, 'm'] },
  ],
  'lower-log-softmax': [
    { op: 'LogSoftmax', build: op('LogSoftmax'), types: ['float32'] },
    { op: 'LogSoftmax', build: op('LogSoftmax', { axis: 1 }), opset: 18, types: ['float32'] },
    { op: 'LogSoftmax', build: op('LogSoftmax', { axis: 2 }), opset: 11, types: ['float32'] },
    { op: 'LogSoftmax', build: op('LogSoftmax'), opset: 9, shape: ['n', 4, 5], types: ['float32'] },
  ],
  'lower-lp-pool': [
    { op: 'LpPool', build: op('LpPool', { kernel_shape: [2, 3] }) },
    { op: 'LpPool', build: op('LpPool', { kernel_shape: [3, 3], p: 1, pads: [1, 1, 1, 1], strides: [2, 2] }) },
    { op: 'LpPool', build: op('LpPool', { kernel_shape: [2, 2], pads: [0, 1, 1, 0] }), opset: 20 },
  ],
  'lower-lrn': [
    { op: 'LRN', build: op('LRN', { size: 3 }) },
    { op: 'LRN', build: op('LRN', { size: 1, alpha: 0.5, beta: 0.5, bias: 2 }), shape: ['n', 4, 'h', 3] },
    { op: 'LRN', build: op('LRN', { size: 5, alpha: 1 }), shape: [2, 6, 3, 2] },
    { op: 'LRN', build: op('LRN', { size: 3, alpha: 1 }), opset: 11 },
  ],
  'lower-mean': [
    { op: 'Mean', build: (g, x) => g.op('Mean', [x, [0.5, 1, 2, 3, 4, 5]]) },
    { op: 'Mean', build: (g, x) => g.op('Mean', [x, g.op('Neg', [x]), 7]) },
    { op: 'Mean', build: (g, x) => g.op('Mean', [g.op('Abs', [x]), x]), shape: ['n', 'm'], opset: 8 },
  ],
  'lower-mean-variance-normalization': [
    { op: 'MeanVarianceNormalization', build: op('MeanVarianceNormalization'), types: ['float32'] },
    {
      op: 'MeanVarianceNormalization',
      build: op('MeanVarianceNormalization', { axes: [1, 2] }),
      opset: 18,
      types: ['float32'],
    },
    {
      op: 'MeanVarianceNormalization',
      build: op('MeanVarianceNormalization', { axes: [-1] }),
      opset: 9,
      types: ['float32'],
    },
  ],
  'lower-or': [
    { op: 'Or', build: logical('Or'), types: ['float32'] },
    { op: 'Or', build: logical('Or'), opset: 9, types: ['float32'] },
    { op: 'Or', build: logical('Or'), shape: ['n', 'm'], types: ['float32'] },
  ],
  'lower-xor': [
    { op: 'Xor', build: logical('Xor'), types: ['float32'] },
    { op: 'Xor', build: logical('Xor'), opset: 9, types: ['float32'] },
    { op: 'Xor', build: logical('Xor'), shape: ['n', 'm'], types: ['float32'] },
  ],
  'lower-round': [
    { op: 'Round', build: op('Round') },
    { op: 'Round', build: (g, x) => g.op('Round', [g.op('Mul', [x, 3])]), types: ['float32'] },
    { op: 'Round', build: op('Round'), opset: 11, shape: ['n'] },
  ],
  'lower-selu': [
    { op: 'Selu', build: op('Selu') },
    { op: 'Selu', build: op('Selu', { alpha: 2, gamma: 0.5 }) },
    { op: 'Selu', build: op('Selu'), opset: 9, shape: ['n', 'm'] },
  ],
  'lower-shrink': [
    { op: 'Shrink', build: op('Shrink') },
    { op: 'Shrink', build: op('Shrink', { lambd: 0.25, bias: 0.5 }) },
    { op: 'Shrink', build: op('Shrink', { lambd: -1, bias: 1 }), shape: ['n', 'm'] },
  ],
  'lower-sign': [
    { op: 'Sign', build: op('Sign') },
    { op: 'Sign', build: op('Sign'), opset: 9, shape: ['n', 'm'] },
    {
      op: 'Sign',
      types: ['float32'],
      build: (g, x) => g.op('Cast', [g.op('Sign', [g.op('Cast', [x], { to: 6 })])], { to: 1 }),
    },
  ],
  'lower-softsign': [
    { op: 'Softsign', build: op('Softsign') },
    { op: 'Softsign', build: op('Softsign'), opset: 9 },
    { op: 'Softsign', build: op('Softsign'), shape: ['n', 'm'] },
  ],
  'lower-space-to-depth': [
    { op: 'SpaceToDepth', build: op('SpaceToDepth', { blocksize: 2 }) },
    { op: 'SpaceToDepth', build: op('SpaceToDepth', { blocksize: 3 }), shape: ['n', 2, 6, 'w'], opset: 9 },
    { op: 'SpaceToDepth', build: op('SpaceToDepth', { blocksize: 1 }), shape: [2, 2, 'h', 3] },
  ],
  'lower-sum': [
    { op: 'Sum', build: (g, x) => g.op('Sum', [x, g.op('Neg', [x]), x]) },
    { op: 'Sum', build: (g, x) => g.op('Sum', [x, [1, 2, 3, 4, 5, 6]]) },
    { op: 'Sum', build: (g, x) => g.op('Sum', [x, x]), opset: 8, shape: ['n', 'm'] },
  ],
}

const model = (build: Build, type: ElementType, shape: readonly (number | string)[], opset: number) =>
  buildModel(
    (g) => {
      const half = new Set<Value>()
      const x = g.input('x', type, shape)
      g.output('y', build(type === 'float16' ? halfConstants(g, half) : g, x))
    },
    { opset },
  )

/** The same builder, whose numbers are float16. */
function halfConstants(g: GraphBuilder, made: Set<Value>): GraphBuilder {
  const convert = g.constant.bind(g)
  g.constant = (data, options) => {
    if (data instanceof Tensor) return convert(data, options)
    const value = convert(data, { ...options, type: 'float16' })
    made.add(value)
    return value
  }
  return g
}

const cases = Object.entries(spellings).flatMap(([name, list]) =>
  list.flatMap(({ types = ['float32', 'float16'], ...spelling }) =>
    types.map((type) => ({ name, type, shape: [2, 4, 6, 6], opset: 17, ...spelling })),
  ),
)

/** On wasm there is no float16 kernel of these: the original cannot run to be compared with. */
const runs = ({ op: target, opset, type }: (typeof cases)[number]): boolean =>
  hasKernel('wasm', target, opset, type) !== false

/**
 * Where the runtime itself departs from the standard: it has no ε, so that equal numbers give NaN; its running sum of squares overflows for
 * good. And where the squares of 10²⁰ are past float32, so that what is left depends on the order of the sums.
 */
const departs: ReadonlySet<string> = new Set([
  'lower-mean-variance-normalization',
  'lower-lrn',
  'lower-group-normalization',
])

const sizes = { n: 2, m: 5, h: 3, w: 9 }

describe('lowerings', () => {
  it('are tested each', () => {
    expect(Object.keys(spellings).sort()).toEqual(lowerings.map(({ name }) => name).sort())
  })

  it.each(cases.filter(runs))('$name: $op in opset $opset, $type $shape', async (spelling) => {
    const { name, type, shape, opset, build, op: target } = spelling
    const built = model(build, type, shape, opset)
    const tolerance = type === 'float16' ? 4e-3 : 1e-5
    const { ops, report } = await fuseAndCompare(built, { only: [name], dimensions: sizes, tolerance })
    expect(report.fusions).toEqual({ [name]: 1 })
    expect(ops).not.toContain(target)
    const { report: standard } = await fuseAndCompare(built, { only: [name], dimensions: sizes, target: 'onnx' })
    expect(standard.fusions).toEqual({})
    for (const operator of ops)
      expect([operator, hasKernel('webgpu', operator, opset, 'float32')]).toEqual([operator, true])
  })

  it.each(cases.filter(({ type, name }) => type === 'float32' && !departs.has(name)))(
    '$name holds for special numbers: $op in opset $opset $shape',
    async ({ name, build, shape, opset }) => {
      const built = model(build, 'float32', shape, opset)
      const pool = [0, -0, 0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997, -0.49999997, 1e-40, -3.25, 8388609, 1e20, -1e20]
      const numbers = fc.array(fc.oneof(fc.constantFrom(...pool), fc.float({ noNaN: true, min: -8, max: 8 })), {
        minLength: 16,
        maxLength: 16,
      })
      await fc.assert(
        fc.asyncProperty(numbers, async (list) => {
          const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim as keyof typeof sizes] ?? 2)))
          const size = dims.reduce((product, dim) => product * dim, 1)
          const x = Tensor.fromNumbers(
            'float32',
            dims,
            Array.from({ length: size }, (_, index) => list[index % list.length] ?? 0),
          )
          const random = new Random(1)
          const feeds = { x, s: random.tensor([4]), b: random.tensor([4]) }
          const inputs = Object.fromEntries(
            built.graph.inputs.map(({ name: input }) => [input, feeds[input as 'x'] ?? x]),
          )
          await fuseAndCompare(built, { only: [name], feeds: inputs, tolerance: 1e-5 })
        }),
        { numRuns: 4 },
      )
    },
  )

  it.each(['lower-round', 'lower-sign', 'lower-shrink', 'lower-softsign', 'lower-celu', 'lower-selu'])(
    '%s holds for NaN and infinities',
    async (name) => {
      for (const { build, shape = [2, 4, 6, 6], opset = 17 } of (spellings[name] ?? []).slice(0, 2)) {
        const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 2))
        const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]
        const size = dims.reduce((product, dim) => product * dim, 1)
        const x = Tensor.fromNumbers(
          'float32',
          dims,
          Array.from({ length: size }, (_, i) => special[i % 4] ?? 0),
        )
        await fuseAndCompare(model(build, 'float32', shape, opset), { only: [name], feeds: { x } })
      }
    },
  )
})

describe('what has no lowered form is left alone', () => {
  it.each<[string, RegExp, Build, (readonly (number | string)[])?, number?]>([
    ['lower-celu', /alpha is -1/, op('Celu', { alpha: -1 })],
    ['lower-global-lp-pool', /p is 3/, op('GlobalLpPool', { p: 3 })],
    ['lower-hardmax', /several axes/, op('Hardmax', { axis: 1 }), [2, 3, 4], 11],
    ['lower-lp-pool', /p is 4/, op('LpPool', { kernel_shape: [2, 2], p: 4 })],
    ['lower-lp-pool', /ceil_mode/, op('LpPool', { kernel_shape: [2, 2], ceil_mode: 1 }), [1, 1, 4, 4], 18],
    ['lower-lp-pool', /dilated/, op('LpPool', { kernel_shape: [2, 2], dilations: [2, 2] }), [1, 1, 4, 4], 18],
    ['lower-lp-pool', /auto_pad/, op('LpPool', { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER' })],
    ['lower-lrn', /not known/, op('LRN', { size: 3 }), ['n', 4, 'h', 'w']],
    ['lower-lrn', /not known/, op('LRN', { size: 3 }), ['n', 'm', 3, 3]],
    ['lower-space-to-depth', /neither/, op('SpaceToDepth', { blocksize: 2 }), [1, 2, 'h2', 'w2']],
    ['lower-space-to-depth', /channels/, op('SpaceToDepth', { blocksize: 2 }), [1, 'c', 4, 4]],
    ['lower-selu', /Elu has no WebGPU kernel/, op('Selu'), [2, 3], 22],
  ])('%s: %s', async (name, reason, build, shape = [2, 4, 6, 6], opset = 17) => {
    const built = model(build, 'float32', shape, opset)
    const { report } = await fuseAndCompare(built, {
      only: [name],
      dimensions: { ...sizes, h2: 4, w2: 4, c: 3, m: 3 },
    })
    expect(report.fusions).toEqual({})
    expect(report.nearMisses).toEqual([
      { fusion: name, node: expect.any(String), reason: expect.stringMatching(reason) },
    ])
  })
})
