import { Attribute } from './attribute.ts'
import type { Graph } from './graph.ts'
import { Model } from './model.ts'
import { Value } from './value.ts'

/** A deep copy: graph surgery on one leaves the other alone. The tensors, which are immutable, are shared. */
export function clone(model: Model): Model {
  const copy = new Model({
    proto: model.proto,
    opsets: model.opsets,
    functions: model.functions,
    graphName: model.graph.name,
    graphProto: model.graph.proto,
    source: model.source,
  })
  copyGraph(model.graph, copy.graph, new Map(), new Map())
  if (!model.isChanged) copy.markUnchanged()
  return copy
}

/** Fills an empty graph with copies of another's values and nodes; the maps lead from originals to copies, outer graphs included. */
function copyGraph(from: Graph, to: Graph, values: Map<Value, Value>, graphs: Map<Graph, Graph>): void {
  graphs.set(from, to)
  const mapped = (value: Value): Value => {
    let copy = values.get(value)
    if (copy === undefined) {
      // Only the values of sparse initializers are in no list.
      copy = new Value(graphs.get(value.graph) ?? to, value.name, { type: value.type, info: value.info })
      to.model.claimName(value.name)
      values.set(value, copy)
    }
    return copy
  }
  for (const input of from.inputs) {
    const copy = to.addInput(input.name, input.type, input.info)
    values.set(input, copy)
    if (input.initializer !== undefined) to.setDefault(copy, input.initializer)
  }
  for (const value of from.initializers) {
    if (value.initializer === undefined || value.isInput) continue
    values.set(value, to.addInitializer(value.name, value.initializer, value.info))
  }
  for (const node of from.nodes) {
    const copy = to.append({
      op: node.op,
      domain: node.domain,
      name: node.name,
      overload: node.overload,
      inputs: node.inputs.map((input) => input && mapped(input)),
      outputs: node.outputs.map((output) => output?.name),
      types: node.outputs.map((output) => output?.type),
      infos: node.outputs.map((output) => output?.info),
      attributes: copyAttributes(node.attributes.values(), to, values, graphs),
      ...(node.proto ? { proto: node.proto } : {}),
    })
    node.outputs.forEach((output, index) => {
      const target = copy.outputs[index]
      if (output !== undefined && target !== undefined) values.set(output, target)
    })
  }
  for (const output of from.outputs) to.addOutput(mapped(output))
}

/** Attributes for a node of another graph: their nested graphs are copied, all else is shared. */
export function copyAttributes(
  attributes: Iterable<Attribute>,
  to: Graph,
  values: Map<Value, Value>,
  graphs: Map<Graph, Graph> = new Map(),
): Attribute[] {
  return Array.from(attributes, (attribute) => {
    if (attribute.graphs.length === 0) return attribute
    const nested = attribute.graphs.map((graph) => {
      const copy = to.nested(graph.name, graph.proto)
      copyGraph(graph, copy, values, graphs)
      return copy
    })
    return new Attribute(attribute.proto, attribute.tensor, nested)
  })
}
