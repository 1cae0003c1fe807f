import type { GraphBuilder } from './builder.ts'
import { copyAttributes } from './clone.ts'
import type { Graph } from './graph.ts'
import type { Value } from './value.ts'

/**
 * Copies the initializers and nodes of a nested graph without inputs (a branch of an If) to where a builder adds, and gives what its outputs
 * are there. Values get fresh names; those of outer graphs which it captures stay what they are.
 */
export function inlineGraph(nested: Graph, builder: GraphBuilder): (Value | undefined)[] {
  const values = new Map<Value, Value>()
  for (const value of nested.initializers) {
    if (value.initializer === undefined) continue
    values.set(value, builder.constant(value.initializer, { name: value.name }))
  }
  // copyAttributes asks for every value that the inner graphs use: those from outside stand for themselves.
  const own = new Set<Graph>([nested])
  for (const node of nested.walk()) for (const graph of node.subgraphs) own.add(graph)
  const captured = (value: Value | undefined): void => {
    if (value !== undefined && !own.has(value.graph)) values.set(value, value)
  }
  for (const node of nested.walk()) node.inputs.forEach(captured)
  for (const graph of own) graph.outputs.forEach(captured)

  const { model } = builder.graph
  for (const node of nested.nodes) {
    const attributes = copyAttributes(node.attributes.values(), builder.graph, values)
    const copy = builder.node(
      node.op,
      node.inputs.map((input) => input && values.get(input)),
      attributes,
      {
        domain: node.domain,
        like: node,
        outputs: node.outputs.map((output) => output && model.freshName(output.name)),
        types: node.outputs.map((output) => output?.type),
      },
    )
    node.outputs.forEach((output, index) => {
      const target = copy.outputs[index]
      if (output !== undefined && target !== undefined) values.set(output, target)
    })
  }
  return nested.outputs.map((output) => values.get(output))
}
