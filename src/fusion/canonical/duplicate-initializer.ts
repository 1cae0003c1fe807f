import type { Graph, Model, Value } from '../../graph/index.ts'
import { TensorIdentities } from './tensor-identities.ts'

/**
 * Lets the users of equal initializers share the first of them, one of an outer graph if there is one; gives how many went. A default value of
 * an input, an output, and what a quantisation annotation names stay.
 */
export function mergeDuplicateInitializers(model: Model): number {
  const identities = new TensorIdentities()
  let count = 0
  const visit = (graph: Graph, outer: ReadonlyMap<number, Value>): void => {
    const first = new Map(outer)
    const annotated = annotatedNames(graph)
    for (const value of [...graph.initializers]) {
      const tensor = value.constant
      if (tensor === undefined || value.isOutput || annotated.has(value.name)) continue
      const id = identities.idOf(tensor)
      const kept = first.get(id)
      if (kept === undefined) first.set(id, value)
      else {
        graph.replaceAllUsesWith(value, kept)
        graph.removeInitializer(value)
        count++
      }
    }
    for (const node of graph.nodes) for (const nested of node.subgraphs) visit(nested, first)
  }
  visit(model.graph, new Map())
  return count
}

function annotatedNames(graph: Graph): Set<string> {
  const names = new Set<string>()
  for (const { tensorName, quantParameterTensorNames } of graph.proto.quantizationAnnotation ?? []) {
    names.add(tensorName ?? '')
    for (const { value } of quantParameterTensorNames ?? []) names.add(value ?? '')
  }
  return names
}
