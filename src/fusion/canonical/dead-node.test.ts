import { describe, expect, it } from 'vitest'
import { findNode, operators } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { buildModel, type GraphBuilder } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['dead-node']

/** y = −relu(x), and beside it what `more` builds. */
const beside =
  (more: (g: GraphBuilder, relu: ReturnType<GraphBuilder['op']>) => void) =>
  (g: GraphBuilder): void => {
    const relu = g.op('Relu', [g.input('x', 'float32', [2, 3])])
    more(g, relu)
    g.output('y', g.op('Neg', [relu]))
  }

describe('dead-node removes', () => {
  it('a node that nobody uses, and all that only it used', async () => {
    const build = beside((g, relu) => {
      const sum = g.op('Add', [relu, g.op('Exp', [g.constant([1, 2, 3], { name: 'w' })])])
      g.op('Abs', [g.op('Sqrt', [sum])])
    })
    const { ops, model, report } = await fuseGraph(build, { only })
    expect(ops).toEqual(['Relu', 'Neg'])
    expect(model.graph.initializers.size).toBe(0)
    expect(report.nodes).toEqual({ before: 6, after: 2 })
  })

  it('a node with nested graphs, and what only those used', async () => {
    const build = beside((g, relu) => {
      const [captured, returned] = [g.op('Exp', [relu]), g.op('Abs', [relu])]
      const condition = g.op('Constant', [], { value_int: 1 })
      const then_branch = g.subgraph((b) => b.output('a', b.op('Sin', [captured])))
      const else_branch = g.subgraph((b) => {
        const inner = b.subgraph((deep) => deep.graph.addOutput(returned))
        b.output('b', b.op('If', [condition], { then_branch: inner, else_branch: inner }))
      })
      g.op('If', [condition], { then_branch, else_branch })
    })
    const { model } = fuse(buildModel(build), { only })
    expect(operators(model)).toEqual(['Relu', 'Neg'])
  })

  it('dead nodes inside nested graphs', () => {
    const model = buildModel((g) => {
      const x = g.input('x')
      const body = g.subgraph((b) => {
        b.op('Exp', [b.op('Sin', [x])])
        b.output('n', b.op('Neg', [x]))
      })
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: body }))
    })
    expect(operators(fuse(model, { only }).model)).toEqual(['If', 'Neg'])
  })

  it('a random node: nobody sees what it draws', () => {
    const model = buildModel(beside((g, relu) => g.op('RandomNormalLike', [relu])))
    expect(operators(fuse(model, { only }).model)).toEqual(['Relu', 'Neg'])
  })
})

describe('dead-node keeps', () => {
  it('operators of other domains, which may do more than compute, and all that they use', () => {
    const model = buildModel(
      beside((g, relu) => g.op('Log', [g.op('Exp', [relu])], {}, { domain: 'my.domain' })),
      { opsets: { 'my.domain': 1 } },
    )
    const { model: fused } = fuse(model)
    expect(fused).toBe(model)
    expect(operators(fused)).toEqual(['Relu', 'Exp', 'my.domain::Log', 'Neg'])
  })

  it('nodes whose nested graphs hold such operators', () => {
    const model = buildModel(
      beside((g, relu) => {
        const body = g.subgraph((b) => b.output('n', b.op('Log', [relu], {}, { domain: 'my.domain' })))
        g.op('If', [g.input('c', 'bool', [])], { then_branch: body, else_branch: body })
      }),
      { opsets: { 'my.domain': 1 } },
    )
    expect(fuse(model, { only }).model).toBe(model)
  })

  it('nodes of which one output is used, or an output of the graph, or captured', () => {
    const model = buildModel((g) => {
      const split = g.node('Split', [g.input('x')], {}, { name: 'split', outputs: 2 })
      g.node('TopK', [g.input('x2')], {}, { name: 'top', outputs: 2 })
      const second = split.outputs[1]
      if (!second) throw new Error('two outputs were built')
      const body = g.subgraph((b) => b.output('n', b.op('Neg', [second])))
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: body }))
    })
    const { model: fused } = fuse(model, { only })
    expect(operators(fused)).toEqual(['Split', 'If', 'Neg'])
    expect(findNode(fused, 'split').outputs).toHaveLength(2)
  })
})
