import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { operators } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { buildModel, type GraphBuilder, int64, lint, Tensor, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['common-subexpression']

/** Adds up values made of x, so that all are used. */
const sum = (build: (g: GraphBuilder, x: Value) => Value[], options = {}) =>
  fuseGraph(
    (g) => {
      const values = build(g, g.input('x', 'float32', [2, 3]))
      g.output(
        'y',
        g.op(
          'Sum',
          values.map((value) => g.op('ReduceSum', [value], { keepdims: 0 })),
        ),
      )
    },
    { only, ...options },
  )

const count = (ops: readonly string[], op: string): number => ops.filter((item) => item === op).length

describe('common-subexpression merges', () => {
  it('equal nodes, and then those after them', async () => {
    const { ops } = await sum((g, x) => [g.op('Exp', [g.op('Relu', [x])]), g.op('Exp', [g.op('Relu', [x])])])
    expect(ops).toEqual(['Relu', 'Exp', 'ReduceSum', 'Sum'])
  })

  it('operands of what commutes in either order, and only of that', async () => {
    const { ops } = await sum((g, x) => {
      const y = g.op('Relu', [x])
      return [g.op('Add', [x, y]), g.op('Add', [y, x]), g.op('Sub', [x, y]), g.op('Sub', [y, x])]
    })
    expect(count(ops, 'Add')).toBe(1)
    expect(count(ops, 'Sub')).toBe(2)
  })

  it('constants of equal contents, scalars and tensors', async () => {
    const { ops } = await sum((g, x) => [
      g.op('Mul', [x, 2]),
      g.op('Mul', [x, 2]),
      g.op('Mul', [x, [1, 2, 3]]),
      g.op('Mul', [x, [1, 2, 3]]),
      g.op('Mul', [x, [1, 2, 4]]),
      g.op('Mul', [x, Tensor.fromNumbers('float32', [1], [2])]),
    ])
    expect(count(ops, 'Mul')).toBe(4)
  })

  it('nodes with several outputs, one output by one', async () => {
    const { ops } = await sum((g, x) => {
      const [first, second] = [0, 1].map(() => g.node('Split', [x, int64([1, 2])], { axis: 1 }, { outputs: 2 }))
      return [first?.outputs[0], second?.outputs[1]].filter((value) => value !== undefined)
    })
    expect(count(ops, 'Split')).toBe(1)
  })

  it('what is an output under its name', async () => {
    const { ops, model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2])
        const [a, b] = [g.op('Relu', [x]), g.op('Relu', [x])]
        g.output('z', g.op('Exp', [a]))
        g.output('y', b)
      },
      { only },
    )
    expect(ops).toEqual(['Relu', 'Exp'])
    expect(model.graph.outputs.map(String)).toEqual(['z', 'y'])
  })

  it('nodes written in any order, so that the first of them stays', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2, 3])
      // Visited again after its input was merged with that of the later one.
      const late = g.op('Exp', [g.op('Abs', [g.op('Abs', [x])])])
      const early = g.op('Exp', [g.op('Abs', [x])])
      g.output('y', g.op('Add', [g.op('Neg', [late]), early]))
    })
    const { model: fused } = fuse(model, { only: [...only, 'repeated-function'] })
    lint(fused.graph)
    expect(operators(fused)).toEqual(['Abs', 'Exp', 'Neg', 'Add'])
  })
})

describe('common-subexpression keeps apart', () => {
  it('attributes that differ, in one of them or in their number', async () => {
    const { ops } = await sum((g, x) => [
      g.op('Transpose', [x], { perm: [1, 0] }),
      g.op('Transpose', [x], { perm: [0, 1] }),
      g.op('LeakyRelu', [x], { alpha: 0.1 }),
      g.op('LeakyRelu', [x], { alpha: 0.2 }),
      g.op('LeakyRelu', [x]),
      g.op('Pad', [x, int64([1, 1, 1, 1])], { mode: 'edge' }),
      g.op('Pad', [x, int64([1, 1, 1, 1])], { mode: 'reflect' }),
    ])
    expect(count(ops, 'Transpose')).toBe(2)
    expect(count(ops, 'LeakyRelu')).toBe(3)
    expect(count(ops, 'Pad')).toBe(2)
  })

  it('inputs left out in different places', async () => {
    const { ops } = await sum((g, x) => [
      g.op('Clip', [x, undefined, 1]),
      g.op('Clip', [x, undefined, 1]),
      g.op('Clip', [x, 1]),
    ])
    expect(count(ops, 'Clip')).toBe(2)
  })

  it('attributes that are infinite, and no numbers', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2, 2])
      for (const alpha of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])
        g.output(`leaky${alpha}`, g.op('Neg', [g.op('LeakyRelu', [x], { alpha })]))
    })
    expect(count(operators(fuse(model, { only }).model), 'LeakyRelu')).toBe(3)
  })

  it('tensors in attributes, and whole numbers past 2⁵³, by their contents', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2, 2])
      for (const value of [1, 2]) {
        const tensor = Tensor.fromNumbers('float32', [1], [value])
        g.output(`filled${value}`, g.op('Neg', [g.op('ConstantOfShape', [g.op('Shape', [x])], { value: tensor })]))
      }
      for (const k of [2n ** 53n, 2n ** 53n + 1n]) g.output(`eye${k}`, g.op('Neg', [g.op('EyeLike', [x], { k })]))
    })
    const ops = operators(fuse(model, { only }).model)
    expect([count(ops, 'Shape'), count(ops, 'ConstantOfShape'), count(ops, 'EyeLike')]).toEqual([1, 2, 2])
  })

  it('random numbers', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2])
      const draw = (op: string): Value => g.op(op, [x])
      g.output('y', g.op('Sub', [draw('RandomNormalLike'), draw('RandomNormalLike')]))
      g.output('z', g.op('Sub', [draw('Bernoulli'), draw('Bernoulli')]))
    })
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('operators of unknown domains', () => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', [2])
        const custom = (): Value => g.op('Custom', [x], {}, { domain: 'my.ops' })
        g.output('y', g.op('Sub', [custom(), custom()]))
      },
      { opsets: { 'my.ops': 1 } },
    )
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('two outputs of the graph', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2])
        g.output('y', g.op('Relu', [x]))
        g.output('z', g.op('Relu', [x]))
      },
      { only },
    )
    expect(ops).toEqual(['Relu', 'Relu'])
  })

  it('the same nodes in two branches', async () => {
    const { model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1])
        const branch = () => g.subgraph((inner) => inner.graph.addOutput(inner.op('Relu', [x])))
        g.output('y', g.op('If', [g.op('Greater', [x, 0])], { then_branch: branch(), else_branch: branch() }))
      },
      { only },
    )
    expect(operators(model)).toEqual(['Greater', 'If', 'Relu', 'Relu'])
  })

  it('a Split into another number of parts', async () => {
    const { ops } = await sum(
      (g, x) =>
        [2, 3].flatMap((parts) => {
          const padded = g.op('Concat', [x, x], { axis: 1 })
          return [...g.node('Split', [padded], { axis: 1 }, { outputs: parts }).outputs].filter(
            (value) => value !== undefined,
          )
        }),
      { opset: 13 },
    )
    expect(count(ops, 'Split')).toBe(2)
  })
})

it('computes the same for random graphs', async () => {
  const step = fc.record({ op: fc.constantFrom('Add', 'Sub', 'Mul', 'Relu', 'Neg', 'Max'), a: fc.nat(), b: fc.nat() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 25 }), async (steps) => {
      const { model } = await sum((g, x) => {
        const values = [x, g.constant(2)]
        for (const { op, a, b } of steps) {
          const [left, right] = [
            values[a % Math.min(values.length, 4)] ?? x,
            values[b % Math.min(values.length, 4)] ?? x,
          ]
          values.push(g.op(op, op === 'Relu' || op === 'Neg' ? [left] : [left, right]))
        }
        return values.slice(2)
      })
      const seen = new Set<string>()
      for (const node of model.graph.nodes) {
        const key = `${node.op}(${node.inputs.map(String)})`
        expect(seen).not.toContain(key)
        seen.add(key)
      }
    }),
    { numRuns: 40 },
  )
})
