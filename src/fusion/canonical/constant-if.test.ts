import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { operators } from '../../../test/support/find.ts'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type GraphBuilder, int64, lint, Tensor, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['constant-if']
const truth = (value: boolean, dims: number[] = []): Tensor => Tensor.fromNumbers('bool', dims, [Number(value)])

const branch = (g: GraphBuilder, build: (inner: GraphBuilder) => Value) =>
  g.subgraph((inner) => {
    const value = build(inner)
    inner.graph.addOutput(value)
  })

/** If(condition) { then } else { else } */
const choose = (
  g: GraphBuilder,
  condition: Value,
  then: (g: GraphBuilder) => Value,
  otherwise: (g: GraphBuilder) => Value,
): Value => g.op('If', [condition], { then_branch: branch(g, then), else_branch: branch(g, otherwise) })

const fused = (build: (g: GraphBuilder, x: Value) => Value, condition = truth(true)) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [2, 3])
      const y = choose(
        g,
        g.constant(condition),
        (inner) => build(inner, x),
        (inner) => inner.op('Neg', [x]),
      )
      g.output('y', g.op('Exp', [y]))
    },
    { only },
  )

describe('constant-if takes', () => {
  it.each([
    [true, ['Relu', 'Exp']],
    [false, ['Neg', 'Exp']],
  ])('the branch for %s', async (value, expected) => {
    expect((await fused((g, x) => g.op('Relu', [x]), truth(value))).ops).toEqual(expected)
    expect((await fused((g, x) => g.op('Relu', [x]), truth(value, [1]))).ops).toEqual(expected)
  })

  it('a condition that follows from the shapes', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['n', 3])
        const columns = g.op('Gather', [g.op('Shape', [x]), int64(1)])
        const y = choose(
          g,
          g.op('Equal', [columns, int64(3)]),
          (inner) => inner.op('Relu', [x]),
          (inner) => inner.op('Neg', [x]),
        )
        g.output('y', g.op('Exp', [y]))
      },
      { only: [...only, 'dead-node'] },
    )
    expect(ops).toEqual(['Relu', 'Exp'])
  })

  const squeezeOrKeep = (size: number | string) =>
    buildModel((g) => {
      const x = g.input('x', 'float32', ['n', size, 4])
      const y = choose(
        g,
        g.input('c', 'bool', []),
        (inner) => inner.op('Squeeze', [x, int64([1])]),
        (inner) => inner.op('Relu', [x]),
      )
      g.output('y', g.op('Exp', [y]))
    })

  it('the branch that is left where the other cannot run', () => {
    expect(operators(fuse(squeezeOrKeep(3), { only }).model)).toEqual(['Relu', 'Exp'])
    expect(operators(fuse(squeezeOrKeep('m'), { only }).model)).toEqual(['If', 'Squeeze', 'Relu', 'Exp'])
    expect(operators(fuse(squeezeOrKeep('m'), { only, dimensions: { m: 3 } }).model)).toEqual(['Relu', 'Exp'])
  })

  it('the branch whose rank is the only one that what follows can take', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['n', 'm', 4])
        const isOne = g.op('Equal', [g.op('Shape', [x], { start: 1, end: 2 }), int64([1])])
        const y = choose(
          g,
          isOne,
          (inner) => inner.op('Squeeze', [x, int64([1])]),
          (inner) => inner.op('Identity', [x]),
        )
        g.output('y', g.op('Gemm', [y, new Random(2).tensor([4, 2])]))
      },
      { only: [...only, 'dead-node'], dimensions: { m: 1 } },
    )
    expect(ops).toEqual(['Squeeze', 'Gemm'])
  })

  it('initializers, several nodes and captured values along', async () => {
    const { ops } = await fused((g, x) => g.op('Add', [g.op('Mul', [x, new Random(2).tensor([3])]), x]))
    expect(ops).toEqual(['Mul', 'Add', 'Exp'])
  })

  it('an If within an If, and a branch that holds another one', async () => {
    const nested = await fused((g, x) =>
      choose(
        g,
        g.constant(truth(false)),
        (inner) => inner.op('Abs', [x]),
        (inner) => inner.op('Relu', [x]),
      ),
    )
    expect(nested.ops).toEqual(['Relu', 'Exp'])
    const kept = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2, 3])
        const some = g.op('ReduceMax', [x], { keepdims: 0 })
        const y = choose(
          g,
          g.constant(truth(true)),
          (inner) => {
            const doubled = inner.op('Mul', [x, 2])
            return choose(
              inner,
              inner.op('Greater', [some, 0]),
              (deep) => deep.op('Add', [doubled, x]),
              (deep) => deep.op('Neg', [doubled]),
            )
          },
          (inner) => inner.op('Neg', [x]),
        )
        g.output('y', g.op('Exp', [y]))
      },
      { only },
    )
    expect(kept.ops).toEqual(['ReduceMax', 'Mul', 'Greater', 'If', 'Exp'])
    lint(kept.model.graph)
  })

  it('and goes on in the graphs nested in what it took', async () => {
    const { model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1])
        const inner = (graph: GraphBuilder): Value =>
          choose(
            graph,
            graph.op('Greater', [x, 0]),
            (deep) => deep.op('Relu', [deep.op('Identity', [x])]),
            (deep) => deep.op('Neg', [x]),
          )
        g.output(
          'y',
          choose(g, g.constant(truth(true)), inner, (other) => other.op('Abs', [x])),
        )
      },
      { only: [...only, 'identity'] },
    )
    expect(operators(model)).toEqual(['Greater', 'If', 'Relu', 'Neg'])
  })

  it('a name that exists outside as well', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2, 3])
      const y = choose(
        g,
        g.constant(truth(true)),
        (inner) => inner.op('Relu', [inner.op('Neg', [x], {}, { outputs: ['same'] })]),
        (inner) => inner.op('Exp', [x], {}, { outputs: ['same_too'] }),
      )
      g.output('z', g.op('Abs', [g.op('Exp', [y], {}, { outputs: ['after'] })]))
    })
    const { model: result } = await fuseAndCompare(model, { only })
    lint(result.graph)
    expect(operators(result)).toEqual(['Neg', 'Relu', 'Exp', 'Abs'])
  })
})

describe('constant-if keeps the outputs', () => {
  it('of the graph, under their names', async () => {
    const { ops, model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2])
        g.output(
          'y',
          choose(
            g,
            g.constant(truth(true)),
            (inner) => inner.op('Relu', [x]),
            (inner) => inner.op('Neg', [x]),
          ),
        )
      },
      { only },
    )
    expect(ops).toEqual(['Relu'])
    expect(model.graph.outputs.map(String)).toEqual(['y'])
  })

  it('that are an outer value, an initializer, or twice the same value', async () => {
    const { ops, model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2])
        const then = g.subgraph((inner) => {
          const once = inner.op('Relu', [x])
          for (const value of [
            inner.op('Identity', [x]),
            inner.op('Identity', [inner.constant([1, 2])]),
            once,
            inner.op('Identity', [once]),
          ]) {
            inner.graph.addOutput(value)
          }
        })
        const otherwise = g.subgraph((inner) => {
          for (let i = 0; i < 4; i++) inner.graph.addOutput(inner.op('Neg', [x]))
        })
        const node = g.node(
          'If',
          [g.constant(truth(true))],
          { then_branch: then, else_branch: otherwise },
          { outputs: 4 },
        )
        for (const [index, output] of node.outputs.entries()) if (output !== undefined) g.output(`y${index}`, output)
      },
      { only: [...only, 'identity'] },
    )
    expect(model.graph.outputs.map(String)).toEqual(['y0', 'y1', 'y2', 'y3'])
    expect(ops.filter((op) => op !== 'Identity')).toEqual(['Relu'])
    lint(model.graph)
  })
})

describe('constant-if leaves alone', () => {
  it('a branch with sparse initializers', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [2])
      const then = branch(g, (inner) => inner.op('Relu', [x]))
      then.proto.sparseInitializer = [{ dims: [2] }]
      const otherwise = branch(g, (inner) => inner.op('Neg', [x]))
      g.output('y', g.op('If', [g.constant(truth(true))], { then_branch: then, else_branch: otherwise }))
    })
    const { report } = fuse(model, { only })
    expect(report.nearMisses.map(({ reason }) => reason)).toEqual(['the branch has sparse initializers'])
  })

  it('a condition that is computed, and a default that a caller may override', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1])
        const flag = g.input('flag', 'bool', [])
        g.graph.setDefault(flag, truth(true))
        const relu = (inner: GraphBuilder): Value => inner.op('Relu', [x])
        const neg = (inner: GraphBuilder): Value => inner.op('Neg', [x])
        g.output('y', choose(g, g.op('Greater', [x, 0]), relu, neg))
        g.output('z', choose(g, flag, relu, neg))
      },
      { only },
    )
    expect(ops).toEqual(['Greater', 'If', 'If'])
  })
})

interface Tree {
  condition: boolean | 'computed'
  op: string
  branches: Tree[]
}

const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.record({
    condition: fc.constantFrom<Tree['condition'][]>(true, false, 'computed'),
    op: fc.constantFrom('Relu', 'Neg', 'Exp', 'Tanh'),
    branches: fc.oneof({ maxDepth: 3 }, fc.constant<Tree[]>([]), fc.array(tie('tree'), { minLength: 2, maxLength: 2 })),
  }),
})).tree

/** An If for each knot; its branches take what was computed around them. */
function grow(g: GraphBuilder, { condition, op, branches }: Tree, x: Value): Value {
  const y = g.op(op, [x])
  const [then, otherwise] = branches
  if (then === undefined || otherwise === undefined) return y
  const decision =
    condition === 'computed'
      ? g.op('Greater', [g.op('ReduceSum', [y], { keepdims: 0 }), 0])
      : g.constant(truth(condition))
  return g.op('Add', [
    y,
    choose(
      g,
      decision,
      (inner) => grow(inner, then, y),
      (inner) => grow(inner, otherwise, y),
    ),
  ])
}

/** The Ifs that run and whose condition is the same in every run. */
function countConstant({ condition, branches: [then, otherwise] }: Tree): number {
  if (then === undefined || otherwise === undefined) return 0
  if (condition === 'computed') return countConstant(then) + countConstant(otherwise)
  return 1 + countConstant(condition ? then : otherwise)
}

testDrawn('constant-if', fc.record({ tree, shape: shapes(), opset: fc.constantFrom(9, 13, 17) }), (drawn) => ({
  build: (g) => g.output('y', g.op('Abs', [grow(g, drawn.tree, g.input('x', 'float32', drawn.shape))])),
  opset: drawn.opset,
  fires: countConstant(drawn.tree),
}))
