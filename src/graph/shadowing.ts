import type { Graph } from './graph.ts'
import type { Value } from './value.ts'

/**
 * In a file names alone say which value a nested graph captures. Where a rewrite made a nested graph use an outer value whose name
 * an inner value bears too, the inner one is renamed: names inside nested graphs are seen by nobody else.
 */
export function renameShadowingValues(graph: Graph): void {
  for (const node of graph.nodes) for (const nested of node.subgraphs) renameIn(nested)
}

function renameIn(graph: Graph): void {
  renameShadowingValues(graph)
  const captured = new Map<string, Value>()
  for (const value of mentioned(graph)) if (isOutside(value, graph)) captured.set(value.name, value)
  if (captured.size === 0) return
  const own: Value[] = [...graph.inputs, ...graph.initializers]
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== undefined) own.push(output)
  for (const value of own) if (captured.has(value.name)) value.name = graph.model.freshName(value.name)
}

/** Every value that a graph's nodes take or that it outputs, those of the graphs nested in it included. */
function* mentioned(graph: Graph): Generator<Value> {
  yield* graph.outputs
  for (const node of graph.nodes) {
    for (const input of node.inputs) if (input !== undefined) yield input
    for (const nested of node.subgraphs) yield* mentioned(nested)
  }
}

const isOutside = (value: Value, graph: Graph): boolean => {
  for (let ancestor = graph.parent; ancestor !== undefined; ancestor = ancestor.parent) {
    if (value.graph === ancestor) return true
  }
  return false
}
