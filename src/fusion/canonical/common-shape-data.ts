import { canReplace, type Node } from '../../graph/index.ts'
import { defineFusion, type Fusion } from '../define-fusion.ts'
import { areOnGpu, dimsSources } from '../legalise/dims-vector.ts'

/**
 * Two nodes whose elements are the same function of the open dimensions → the first of them: the batch read from the shape of one tensor
 * is the batch read from that of another.
 */
export function commonShapeData(): Fusion {
  const known = new Map<string, Node>()
  return defineFusion({
    name: 'common-shape-data',
    roots: ['*'],
    rewrite(root, _graph, context) {
      const [output] = root.outputs
      if (output === undefined || root.outputs.length > 1 || root.subgraphs.length > 0) return undefined
      const data = context.data(output)
      // What is known by number becomes a constant.
      if (data === undefined || data.every((element) => typeof element === 'number')) return undefined
      const key = `${context.elementType(output)} [${context.shape(output)?.join()}] ${data.join()}`
      const twin = known.get(key)
      if (twin === undefined || twin.erased || twin.graph !== root.graph) known.set(key, root)
      if (twin === undefined || twin === root || twin.erased || twin.graph !== root.graph) return undefined
      const [kept, other] = root.graph.precedes(twin, root) ? [twin, root] : [root, twin]
      // The shape of a tensor on the GPU costs nothing; that of an int64 one is read on the CPU.
      if (other.is('Shape') && areOnGpu([other.inputs[0]], context) && !areOnGpu(dimsSources(kept.output), context))
        return undefined
      known.set(key, kept)
      return canReplace(other.output, kept.output) ? undefined : [{ from: other.output, to: kept.output }]
    },
  })
}
