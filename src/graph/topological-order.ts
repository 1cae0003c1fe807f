import { ModelError } from './errors.ts'
import type { Graph } from './graph.ts'
import type { Node } from './node.ts'

/** The nodes of a node's own graph on which it depends, those that its nested graphs capture included. */
function* dependencies(node: Node, graph: Graph): Generator<Node> {
  for (const input of node.inputs) if (input?.producer?.graph === graph) yield input.producer
  for (const nested of node.subgraphs) {
    for (const inner of nested.walk()) {
      for (const input of inner.inputs) if (input?.producer?.graph === graph) yield input.producer
    }
    for (const output of nested.outputs) if (output.producer?.graph === graph) yield output.producer
  }
}

/** Whether every node comes after all it depends on. */
export function isTopologicallyOrdered(graph: Graph): boolean {
  const seen = new Set<Node>()
  for (const node of graph.nodes) {
    for (const dependency of dependencies(node, graph)) if (!seen.has(dependency)) return false
    seen.add(node)
  }
  return true
}

/** Puts nodes in topological order and otherwise leaves them in theirs. Throws ModelError `cyclic-graph` when there is none. */
export function sortTopologically(graph: Graph): void {
  if (isTopologicallyOrdered(graph)) return
  const order: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  for (const root of graph.nodes) {
    // Depth first with a stack of its own: a chain of nodes may be longer than the call stack is deep.
    const stack: { node: Node; pending: Iterator<Node> }[] = []
    const open = (node: Node): void => {
      const known = state.get(node)
      if (known === 'open') {
        throw new ModelError('cyclic-graph', 'The node depends on its own output.', {
          node: node.toString(),
          remedy: 'ONNX graphs have no cycles: export the model again.',
        })
      }
      if (known === 'done') return
      state.set(node, 'open')
      stack.push({ node, pending: dependencies(node, graph) })
    }
    open(root)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { done, value } = top.pending.next()
      if (!done) open(value)
      else {
        stack.pop()
        state.set(top.node, 'done')
        order.push(top.node)
      }
    }
  }
  graph.reorder(order)
}
