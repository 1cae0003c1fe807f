import { expect, it } from 'vitest'
import { findNode, operators } from '../../test/support/find.ts'
import { buildModel } from './builder.ts'
import { isTopologicallyOrdered, sortTopologically } from './topological-order.ts'

const build = () =>
  buildModel((g) => {
    const [a, c] = [g.op('A', []), g.input('c', 'bool', [])]
    const b = g.op('B', [a])
    const then_branch = g.subgraph((inner) => inner.output('n', inner.op('Inner', [b])))
    const else_branch = g.subgraph((inner) => inner.graph.addOutput(a))
    g.output('y', g.op('If', [c], { then_branch, else_branch }))
    g.op('D', [])
  }).graph

it('leaves an ordered graph as it is', () => {
  const graph = build()
  expect(isTopologicallyOrdered(graph)).toBe(true)
  sortTopologically(graph)
  expect(operators(graph)).toEqual(['A', 'B', 'If', 'Inner', 'D'])
})

it('moves a node only behind what it depends on, captures and captured outputs of nested graphs included', () => {
  for (const moved of ['A', 'B']) {
    const graph = build()
    graph.moveAfter(findNode(graph, 'D'), [findNode(graph, moved)])
    expect(isTopologicallyOrdered(graph)).toBe(false)
    sortTopologically(graph)
    expect(isTopologicallyOrdered(graph)).toBe(true)
    expect(operators(graph)).toEqual(['A', 'B', 'If', 'Inner', 'D'])
    expect(graph.nodes.length).toBe(4)
  }
})

it('refuses a cycle and names a node on it', () => {
  const graph = build()
  const [a, b] = [findNode(graph, 'A'), findNode(graph, 'B')]
  a.setInput(0, b.output)
  expect(() => sortTopologically(graph)).toThrow(
    expect.objectContaining({ name: 'ModelError', code: 'cyclic-graph', node: a.toString() }),
  )
})
