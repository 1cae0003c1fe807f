import { inlineGraph, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/** If(c) { a } else { b } → a or b, for a condition that is the same in every run. The branch's nodes move to where the If stood. */
export const constantIf = defineFusion({
  name: 'constant-if',
  roots: ['If'],
  rewrite(root, graph, context) {
    const [condition] = root.inputs
    const known = condition && context.data(condition)
    if (known?.length !== 1 || typeof known[0] !== 'number') return undefined
    const [branch] = root.attributes.get(known[0] === 0 ? 'else_branch' : 'then_branch')?.graphs ?? []
    if (branch === undefined) return undefined
    if (branch.proto.sparseInitializer?.length) return 'the branch has sparse initializers'
    const outputs = inlineGraph(branch, graph)
    const taken = new Set<Value | undefined>()
    return root.outputs.map((output, index) => {
      const result = outputs[index]
      // An output of the outer graph needs a node of its own to come from.
      const comesFromNode = result?.producer?.graph === root.graph && !result.isOutput && !taken.has(result)
      if (!output?.isOutput || comesFromNode) {
        if (output?.isOutput) taken.add(result)
        return result
      }
      return graph.op('Identity', [result], {}, { types: [output.type] })
    })
  },
})
