import type { Graph, Model, Node, Value } from '../../src/graph/index.ts'

/** The node of a model or graph with that operator or name, nested graphs included. Throws when there is none. */
export function findNode(where: Model | Graph, operatorOrName: string): Node {
  const graph = 'graph' in where ? where.graph : where
  for (const node of graph.walk()) if (node.op === operatorOrName || node.name === operatorOrName) return node
  throw new RangeError(`There is no node ${operatorOrName}.`)
}

/** The value of that name, nested graphs included. Throws when there is none. */
export function findValue(where: Model | Graph, name: string): Value {
  const graph = 'graph' in where ? where.graph : where
  for (const value of allValues(graph)) if (value.name === name) return value
  throw new RangeError(`There is no value ${name}.`)
}

function* allValues(graph: Graph): Generator<Value> {
  yield* graph.inputs
  yield* graph.initializers
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== undefined) yield output
    for (const nested of node.subgraphs) yield* allValues(nested)
  }
}

/** The operators in order, nested graphs included. */
export const operators = (where: Model | Graph): string[] =>
  [...('graph' in where ? where.graph : where).walk()].map(({ target }) => target)
