import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dimsWithin, shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { expectSameResults, Random, runModel } from '../../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  encode,
  type GraphBuilder,
  int64,
  type Model,
  Tensor,
  tensorType,
} from '../../graph/index.ts'
import { evaluate } from '../../plugin/evaluator.ts'
import { defineFusion } from '../define-fusion.ts'
import { fuse } from '../fuse.ts'

const image = ['batch', 3, 4, 4]
const options = { evaluate, only: ['constant-node', 'constant-fold'] }

describe('constant-fold', () => {
  it('computes a whole chain of constants at once', async () => {
    const { ops } = await fuseGraph((g) => {
      const c = g.op('Mul', [g.op('Sqrt', [g.constant([4, 9, 16, 25])]), g.op('Exp', [g.constant([0, 1, 2, 3])])])
      g.output('y', g.op('Add', [g.input('x', 'float32', image), c]))
    }, options)
    expect(ops).toEqual(['Add'])
  })

  it('computes from Constant nodes, and from operators that take nothing', async () => {
    const { ops } = await fuseGraph((g) => {
      const c = g.op('Sin', [g.op('Constant', [], { value_floats: [1, 2, 3, 4] })])
      const zeros = g.op('ConstantOfShape', [int64([4])])
      g.output('y', g.op('Add', [g.input('x', 'float32', image), g.op('Add', [c, zeros])]))
    }, options)
    expect(ops).toEqual(['Add'])
  })

  it('needs no runtime for numbers that shape inference knows', async () => {
    const { ops, model } = await fuseGraph(
      (g) => {
        const row = g.op('Add', [
          g.op(
            'Range',
            [0, 6, 1].map((n) => g.constant(n)),
          ),
          g.constant(0.5),
        ])
        const column = g.op('Reshape', [g.op('Sqrt', [row]), int64([-1, 1])])
        const zeros = g.op('ConstantOfShape', [int64([6, 1])])
        const grid = g.op('Expand', [g.op('Concat', [column, zeros], { axis: 1 }), int64([30, 6, 2])])
        g.output('y', g.op('Mul', [g.input('x', 'float32', [30, 6, 2]), grid]))
      },
      { only: ['constant-fold'] },
    )
    expect(ops).toEqual(['Mul'])
    const [grid] = [...model.graph.initializers].map(({ initializer }) => initializer)
    expect(grid?.toNumbers().slice(0, 4)).toEqual(new Float64Array([0.5, 0, 1.5, 0].map(Math.sqrt).map(Math.fround)))
  })

  it('computes a chain whose beginning becomes constant after its end was looked at', async () => {
    const late = defineFusion({
      name: 'late',
      roots: ['Neg'],
      rewrite(root, graph) {
        const source = [...root.graph.nodes].find(({ op }) => op === 'Exp')
        const ones = source && graph.before(source).constant(Tensor.fromNumbers('float32', [4], [1, 1, 1, 1]))
        return source && ones && [{ from: source.output, to: ones }]
      },
    })
    const { model } = fuse(
      buildModel((g) => {
        const x = g.input('x', 'float32', [4])
        const chain = g.op('Sqrt', [g.op('Mul', [g.op('Exp', [x]), g.constant([4, 9, 16, 25])])])
        g.output('y', g.op('Neg', [g.op('Add', [x, chain])]))
      }),
      { evaluate, only: ['constant-fold', 'late'], fusions: [late] },
    )
    expect([...model.graph.nodes].map(({ op }) => op)).toEqual(['Add', 'Neg'])
    const [folded] = [...model.graph.initializers]
    expect(folded?.initializer?.toNumbers()).toEqual(new Float64Array([2, 3, 4, 5]))
  })

  it('computes weights that are standardised anew in each run, whose mean and variance depend on them too', async () => {
    const { ops, report } = await fuseGraph((g) => {
      const x = g.input('x', 'float32', [1, 16, 8, 8])
      const weight = g.constant(new Random(5).tensor([1, 32, 16 * 9 * 4]))
      const mean = g.op('ReduceMean', [weight], { axes: [0, 2], keepdims: 0 })
      const centred = g.op('Sub', [weight, g.op('ReduceMean', [weight], { axes: [0, 2], keepdims: 1 })])
      const variance = g.op('ReduceMean', [g.op('Mul', [centred, centred])], { axes: [0, 2], keepdims: 0 })
      const [gain, shift] = [1, 0].map((number) => g.constant(new Array(32).fill(number)))
      const standard = g.op('BatchNormalization', [weight, gain, shift, mean, variance])
      g.output('y', g.op('Conv', [x, g.op('Reshape', [standard, int64([32, 16, 6, 6])])]))
    }, options)
    expect(ops).toEqual(['Conv'])
    expect(report.fusions['constant-fold']).toBe(1)
  })

  it('folds what a part is computed from where the part itself would double weights that stay', async () => {
    const { ops } = await fuseGraph((g) => {
      const x = g.input('x', 'float32', [2, 128])
      const weight = g.constant(new Random(6).tensor([128, 128]))
      const scaled = g.op('Mul', [g.op('Transpose', [weight]), g.op('Exp', [g.constant([0.5])])])
      g.output('y', g.op('MatMul', [g.op('MatMul', [x, weight]), scaled]))
    }, options)
    expect(ops.toSorted()).toEqual(['MatMul', 'MatMul', 'Mul', 'Transpose'])
  })

  it('leaves to the runtime what it rounds in its own way, and numbers of no end', async () => {
    const build = (op: string, b: number) => (g: GraphBuilder) =>
      g.output('y', g.op('Add', [g.input('x', 'float32', [2]), g.op(op, [g.constant([3, -1]), g.constant(b)])]))
    for (const [op, b] of [
      ['Pow', 0.3],
      ['Div', 0],
    ] as const) {
      expect((await fuseGraph(build(op, b), { only: ['constant-fold'] })).ops).toEqual([op, 'Add'])
      expect((await fuseGraph(build(op, b), options)).ops).toEqual(['Add'])
    }
  })

  it('gives a nested graph what it captures', async () => {
    const { ops } = await fuseGraph((g) => {
      const x = g.input('x', 'float32', [4])
      const c = g.op('Exp', [g.constant([1, 2, 3, 4])])
      const branch = (op: string) => g.subgraph((inner) => inner.output(`${op}_y`, inner.op(op, [x, c])))
      const condition = g.input('condition', 'bool', [])
      const y = g.op('If', [condition], { then_branch: branch('Add'), else_branch: branch('Mul') })
      g.output('y', y)
    }, options)
    expect(ops).toEqual(['If'])
  })

  it('leaves what would make the file grow', async () => {
    const { ops, bytes } = await fuseGraph((g) => {
      const large = g.op('Expand', [g.constant([1]), int64([1, 1, 300, 300])])
      g.output('y', g.op('Add', [g.input('x', 'float32', [1, 1, 300, 300]), large]))
    }, options)
    expect(ops).toEqual(['Expand', 'Add'])
    expect(bytes.after).toBe(bytes.before)
  })

  it('replaces a large constant by one of the same size', async () => {
    const { ops } = await fuseGraph((g) => {
      const weight = g.op('Abs', [g.constant(new Float32Array(90_000).fill(-1), { dims: [300, 300] })])
      g.output('y', g.op('MatMul', [g.input('x', 'float32', [1, 300]), weight]))
    }, options)
    expect(ops).toEqual(['MatMul'])
  })

  it('leaves a large constant which another node needs as it is', async () => {
    const { ops } = await fuseGraph((g) => {
      const weight = g.constant(new Float32Array(90_000).fill(-1), { dims: [300, 300] })
      const y = g.op('MatMul', [g.input('x', 'float32', [1, 300]), g.op('Abs', [weight])])
      g.output('y', g.op('MatMul', [y, weight]))
    }, options)
    expect(ops).toEqual(['Abs', 'MatMul', 'MatMul'])
  })

  it.each(['', 'com.microsoft'])(
    'leaves dequantised weights beside dequantised data: a session would quantise plain ones anew, by one scale (%s)',
    async (domain) => {
      const zero = (type: 'int8', dims: number[] = []) => Tensor.fromNumbers(type, dims, new Float32Array(dims[0] ?? 1))
      const numbers = Float32Array.from({ length: 2 * 9 }, (_, index) => ((index * 37) % 200) - 100)
      const weights = (g: GraphBuilder) =>
        g.op(
          'DequantizeLinear',
          [Tensor.fromNumbers('int8', [2, 1, 3, 3], numbers), [0.5, 0.0005], zero('int8', [2])],
          { axis: 0 },
          { domain },
        )
      const there = { opset: 17, opsets: { 'com.microsoft': 1 } }
      const model = buildModel((g) => {
        const data = g.op('QuantizeLinear', [g.input('x', 'float32', [1, 1, 6, 6]), 0.02, zero('int8')])
        const x = g.op('DequantizeLinear', [data, 0.02, zero('int8')], {}, { domain })
        const y = g.op('Relu', [g.op('Conv', [g.op('Reshape', [x, int64([1, 1, 6, 6])]), weights(g)])])
        const quantised = g.op('QuantizeLinear', [y, 0.01, zero('int8')])
        g.output('y', g.op('DequantizeLinear', [quantised, 0.01, zero('int8')], {}, { domain }))
      }, there)
      const { model: fused, ops } = await fuseAndCompare(model, { evaluate })
      expect(ops.filter((op) => op === 'DequantizeLinear')).toHaveLength(3)
      const feeds = { x: new Random(3).tensor([1, 1, 6, 6]) }
      const run = (one: Model) => runModel(concatenate(encode(one).chunks), feeds, 'all')
      expectSameResults(await run(model), await run(fused), 0)
      const weightOnly = await fuseGraph(
        (g) => g.output('y', g.op('Conv', [g.input('x', 'float32', [1, 1, 6, 6]), weights(g)])),
        { ...options, ...there },
      )
      expect(weightOnly.ops).toEqual(['Conv'])
    },
  )

  it('never folds what is random', async () => {
    const { model } = await fuseGraph((g) => {
      const noise = g.op('RandomNormal', [], { shape: [4] })
      g.output('y', g.op('Mul', [g.op('Mul', [noise, g.constant(0)]), g.input('x', 'float32', [4])]))
    }, options)
    expect([...model.graph.nodes].map(({ op }) => op)).toContain('RandomNormal')
  })

  it('leaves an output of the graph to be computed', async () => {
    const { ops } = await fuseGraph((g) => {
      g.output('z', g.op('Sqrt', [g.constant([4])]))
      g.output('y', g.op('Relu', [g.input('x', 'float32', [4])]))
    }, options)
    expect(ops).toEqual(['Sqrt', 'Relu'])
  })

  it('says why when the runtime cannot compute it', () => {
    const model = buildModel((g) => {
      const c = g.op('NoSuchOperator', [g.constant([1])], {}, { types: [tensorType('float32', [1])] })
      g.output('y', g.op('Add', [g.input('x', 'float32', [4]), c]))
    })
    const { report } = fuse(model, options)
    expect(report.nearMisses[0]?.reason).toMatch(/the runtime cannot compute/)
  })

  it('says so when the runtime gives nothing', () => {
    const model = buildModel((g) => {
      const c = g.op('Exp', [g.constant([4])])
      g.output('y', g.op('Add', [g.input('x', 'float32', [4]), c]))
    })
    const { model: fused, report } = fuse(model, { ...options, evaluate: () => ({}) })
    expect(fused).toBe(model)
    expect(report.nearMisses[0]?.reason).toMatch(/the runtime gave no ".+"/)
  })

  it('leaves what only the runtime can compute where there is none', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', g.op('Add', [g.input('x', 'float32', [4]), g.op('Exp', [g.constant([4])])])),
      { only: ['constant-fold'] },
    )
    expect(ops).toEqual(['Exp', 'Add'])
  })
})

testDrawn(
  'constant-fold',
  fc.record({
    dims: shapes().chain((shape) => fc.array(dimsWithin(shape), { minLength: 2, maxLength: 4 })),
    steps: fc.array(
      fc.record({
        op: fc.constantFrom('Add', 'Mul', 'Sub', 'Max', 'Exp', 'Neg', 'Sin', 'Sigmoid'),
        operands: fc.tuple(fc.nat(), fc.nat()),
      }),
      { minLength: 2, maxLength: 10 },
    ),
    opset: fc.constantFrom(9, 13, 17),
  }),
  ({ dims, steps, opset }) => ({
    build: (g) => {
      const random = new Random(steps.length)
      const values = dims.map((own, index) =>
        index === 0 ? g.input('x', 'float32', own) : g.constant(random.tensor(own)),
      )
      const pick = (place: number) => values[place % values.length]
      for (const {
        op,
        operands: [a, b],
      } of steps) {
        values.push(g.op(op, ['Add', 'Mul', 'Sub', 'Max'].includes(op) ? [pick(a), pick(b)] : [pick(a)]))
      }
      g.output('y', g.op('Tanh', [g.op('Sum', values)]))
    },
    opset,
    evaluate,
    fires: dependsOnConstantsAlone(dims.length, steps),
  }),
)

/** Whether there is a node that takes no part of x, which is value 0. */
function dependsOnConstantsAlone(
  count: number,
  steps: readonly { op: string; operands: readonly [number, number] }[],
): boolean {
  const varies = Array.from({ length: count }, (_, index) => index === 0)
  for (const {
    op,
    operands: [a, b],
  } of steps) {
    const ofBoth = ['Add', 'Mul', 'Sub', 'Max'].includes(op)
    const [left, right] = [varies[a % varies.length] ?? false, ofBoth && (varies[b % varies.length] ?? false)]
    varies.push(left || right)
  }
  return varies.slice(count).includes(false)
}
