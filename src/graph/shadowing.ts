import type { Graph } from './graph.ts'
import type { Value } from './value.ts'

/**
 * In a file names alone say which value a nested graph captures, and onnxruntime refuses an inner value that bears the name of one around
 * it. Where a rewrite (or the file) made one, the inner value is renamed: names inside nested graphs are seen by nobody else. Only operators that are
 * not of the ONNX standard (com.microsoft's BeamSearch) know the inputs and outputs of their graphs by name: these stay, and what such a graph
 * captures under one of these names is handed to it under another.
 */
export function renameShadowingValues(graph: Graph, outer: ReadonlySet<string> = new Set()): void {
  const own = [...ownValues(graph)]
  const known = knownByName(graph)
  if (outer.size > 0) {
    for (const value of own)
      if (outer.has(value.name) && !known.has(value)) value.name = graph.model.freshName(value.name)
  }
  if (known.size > 0) renameCaptures(graph, new Set(Array.from(known, ({ name }) => name)))
  let visible: Set<string> | undefined
  for (const node of graph.nodes) {
    for (const nested of node.subgraphs) {
      visible ??= new Set([...outer, ...own.map(({ name }) => name), ...sparseNames(graph)])
      renameShadowingValues(nested, visible)
    }
  }
}

/** The inputs and outputs of a graph whose operator looks for them by name. */
const knownByName = ({ owner, inputs, outputs }: Graph): ReadonlySet<Value> =>
  new Set(owner === undefined || owner.domain === '' ? [] : [...inputs, ...outputs])

/** Hands values of the graphs around it to a graph under names of their own where theirs are taken. */
function renameCaptures(graph: Graph, taken: ReadonlySet<string>): void {
  const { owner, model } = graph
  const inside = new Set(graph.walkGraphs())
  const aliases = new Map<Value, Value>()
  for (const node of graph.walk()) {
    for (const value of node.inputs) {
      if (owner === undefined || value === undefined || inside.has(value.graph) || !taken.has(value.name)) continue
      const spec = { op: 'Identity', inputs: [value], outputs: [model.freshName(value.name)] }
      const alias = aliases.get(value) ?? owner.graph.insertBefore(owner, spec).output
      aliases.set(value, alias)
      node.replaceInput(value, alias)
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
