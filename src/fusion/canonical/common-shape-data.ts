import { canReplace, type Node } from '../../graph/index.ts'
import { defineFusion, type Fusion } from '../define-fusion.ts'

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
      known.set(key, kept)
      return canReplace(other.output, kept.output) ? undefined : [{ from: other.output, to: kept.output }]
    },
  })
}
