import { inlineGraph, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/**
 * If(c) { a } else { b } → a or b, for a condition that is the same in every run, or where one branch cannot run: it squeezes an axis that
 * is not 1, say, or makes a rank that what follows does not take. The branch's nodes move to where the If stood.
 */
export const constantIf = defineFusion({
  name: 'constant-if',
  roots: ['If'],
  rewrite(root, graph, context) {
    const chosen = context.branch(root)
    const [branch] = (chosen && root.attributes.get(chosen)?.graphs) ?? []
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
