import { GraphBuilder, type Model, type Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { type Change, changes, type NewerForm } from './newer-form.ts'

/**
 * Brings a model to a newer operator set of the ONNX standard, so that a fusion meets one form of each operator and may use the newer ones.
 * All or nothing: gives the reason, and leaves the model alone, where a node has no form of the same meaning there. Operator sets before 7
 * broadcast in another way and are left as they are. `to` is at most 17: what changed since is not covered.
 */
export function raiseOpset(model: Model, to: 13 | 17, context: FusionContext): string | undefined {
  const from = model.opset
  if (from < 7) return `opset ${from} broadcasts in another way`
  if (from >= to) return undefined
  if (model.functions.length > 0) return 'its functions have an operator set of their own'
  const changed = new Map<Node, Change>()
  for (const node of model.graph.walk()) {
    if (node.domain !== '') continue
    const change = changes[node.op]?.find(({ opset }) => opset > from && opset <= to)
    if (change === undefined) continue
    const form = change.convert(node, context)
    if (typeof form === 'string') return `${node} keeps opset ${from}: ${form}`
    changed.set(node, change)
  }
  for (const [node, change] of changed) {
    // Asked again, since the nodes before it have been replaced.
    const form = change.convert(node, context)
    if (typeof form !== 'string') rewrite(node, form)
  }
  model.opsets.set('', to)
  model.markChanged()
  return undefined
}

/** Puts the new form in the node's place; values keep their names. */
function rewrite(node: Node, { op = node.op, inputs, attributes }: NewerForm): void {
  const { graph } = node
  const replaced = new GraphBuilder(graph, node).node(op, inputs, attributes, {
    like: node,
    outputs: node.outputs.length,
    types: node.outputs.map((output) => output?.type),
  })
  node.outputs.forEach((output, index) => {
    const result = replaced.outputs[index]
    if (output === undefined || result === undefined) return
    const { name } = output
    graph.replaceAllUsesWith(output, result)
    output.name = graph.model.freshName(name)
    result.name = name
  })
  graph.eraseNode(node)
}
