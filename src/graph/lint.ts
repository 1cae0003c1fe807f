import { GraphError } from './errors.ts'
import type { Graph } from './graph.ts'
import type { Node } from './node.ts'
import type { Value } from './value.ts'

/**
 * Checks that a graph, and every graph nested in it, is well formed: names unique, every input defined before its use and in sight,
 * users and producers in agreement, outputs owned. As FX's `Graph.lint`. Throws GraphError naming the node and the broken rule.
 */
export function lint(graph: Graph): void {
  lintGraph(graph, new Set())
}

const broken = (problem: string, node?: Node): GraphError =>
  new GraphError('invalid-graph', problem, { node: node?.toString() })

function lintGraph(graph: Graph, outer: ReadonlySet<Value>): void {
  const names = new Map<string, Value>()
  const visible = new Set(outer)
  const define = (value: Value, node?: Node): void => {
    if (value.graph !== graph) throw broken(`The value "${value}" belongs to another graph.`, node)
    const same = names.get(value.name)
    if (same !== undefined && same !== value) throw broken(`Two values are named "${value}".`, node)
    names.set(value.name, value)
    visible.add(value)
  }
  for (const value of [...graph.inputs, ...graph.initializers]) define(value)
  for (const value of sparseInitializers(graph)) visible.add(value)
  for (const node of graph.nodes) {
    if (node.erased) throw broken('An erased node is still in the graph.', node)
    for (const input of node.inputs) {
      if (input === undefined) continue
      if (!visible.has(input)) throw broken(`The input "${input}" is not defined before its use.`, node)
      if (!input.users.has(node)) throw broken(`The input "${input}" does not count the node as a user.`, node)
    }
    for (const nested of node.subgraphs) {
      if (nested.owner !== node) throw broken('A nested graph is owned by another node.', node)
      lintGraph(nested, visible)
    }
    for (const output of node.outputs) {
      if (output === undefined) continue
      if (output.producer !== node) throw broken(`The output "${output}" names another producer.`, node)
      define(output, node)
    }
  }
  for (const output of graph.outputs) {
    if (!visible.has(output)) throw broken(`The graph's output "${output}" is computed by no node.`)
    if (!output.outputOf.has(graph)) throw broken(`The output "${output}" does not know its graph.`)
  }
  for (const value of names.values()) {
    for (const user of value.users) {
      if (user.erased) throw broken(`The value "${value}" counts an erased node as a user.`, user)
      if (!user.inputs.includes(value)) throw broken(`The value "${value}" counts a node which does not use it.`, user)
    }
  }
}

/** Values of sparse initializers are in no list of the graph; they are known by their users. */
function sparseInitializers(graph: Graph): Value[] {
  const names = new Set((graph.proto.sparseInitializer ?? []).map(({ values }) => values?.name ?? ''))
  const found: Value[] = []
  if (names.size === 0) return found
  const take = (value: Value | undefined): void => {
    if (value?.graph === graph && value.producer === undefined && names.has(value.name)) found.push(value)
  }
  for (const node of graph.walk()) node.inputs.forEach(take)
  graph.outputs.forEach(take)
  return found
}
