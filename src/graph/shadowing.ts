import type { Graph } from './graph.ts'
import type { Value } from './value.ts'

/**
 * In a file names alone say which value a nested graph captures, and onnxruntime refuses an inner value that bears the name of one around
 * it. Where a rewrite (or the file) made one, the inner value is renamed: names inside nested graphs are seen by nobody else.
 */
export function renameShadowingValues(graph: Graph, outer: ReadonlySet<string> = new Set()): void {
  const own = [...ownValues(graph)]
  if (outer.size > 0) {
    for (const value of own) if (outer.has(value.name)) value.name = graph.model.freshName(value.name)
  }
  let visible: Set<string> | undefined
  for (const node of graph.nodes) {
    for (const nested of node.subgraphs) {
      visible ??= new Set([...outer, ...own.map(({ name }) => name), ...sparseNames(graph)])
      renameShadowingValues(nested, visible)
    }
  }
}

function* ownValues(graph: Graph): Generator<Value> {
  yield* graph.inputs
  for (const value of graph.initializers) if (!value.isInput) yield value
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== undefined) yield output
}

const sparseNames = (graph: Graph): string[] =>
  (graph.proto.sparseInitializer ?? []).map(({ values }) => values?.name ?? '')
