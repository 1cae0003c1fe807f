import type { GraphBuilder, Node, Value } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'

/** Or(a, b) → ¬(¬a ∧ ¬b). */
export const lowerOr = defineLowering({
  name: 'lower-or',
  op: 'Or',
  form: ['Not', 'And'],
  lower(root, graph) {
    const [a, b] = root.inputs
    if (a === undefined || b === undefined) return undefined
    return either(graph, graph.op('Not', [a]), graph.op('Not', [b]), root)
  },
})

/** Xor(a, b) → (a ∧ ¬b) ∨ (¬a ∧ b). */
export const lowerXor = defineLowering({
  name: 'lower-xor',
  op: 'Xor',
  form: ['Not', 'And'],
  lower(root, graph) {
    const [a, b] = root.inputs
    if (a === undefined || b === undefined) return undefined
    const onlyA = graph.op('And', [a, graph.op('Not', [b])])
    const onlyB = graph.op('And', [graph.op('Not', [a]), b])
    return either(graph, graph.op('Not', [onlyA]), graph.op('Not', [onlyB]), root)
  },
})

/** What is true where not both are. */
const either = (graph: GraphBuilder, notA: Value, notB: Value, like: Node): Value =>
  graph.op('Not', [graph.op('And', [notA, notB])], {}, { like })
