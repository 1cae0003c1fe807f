import type { Graph, Value } from '../../graph/index.ts'
import { isRandom } from '../canonical/random-operators.ts'

/** Values that do not change from run to run: the session computes them once, and drops the nodes that did. */
export function constantValues(graph: Graph): Set<Value> {
  const constants = new Set<Value>()
  for (const inner of graph.walkGraphs())
    for (const value of inner.initializers) if (!value.isInput) constants.add(value)
  for (const inner of graph.walkGraphs()) {
    for (const node of inner.nodes) {
      if (!node.inputs.every((input) => input === undefined || constants.has(input))) continue
      if (node.subgraphs.length > 0 || isRandom(node)) continue
      if (node.outputs.some((output) => output?.isOutput)) continue
      for (const output of node.outputs) if (output !== undefined) constants.add(output)
    }
  }
  return constants
}
