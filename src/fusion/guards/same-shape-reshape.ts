import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/**
 * Reshape(x) to the shape it has: costs nothing in a run, and stands between two nodes that the runtime would fuse. Our own rewrites would
 * take it away, so that it is put in after them.
 */
export function sameShapeReshape(graph: GraphBuilder, x: Value, context: FusionContext): Value | undefined {
  const rank = context.shape(x)?.length
  if (rank === undefined || rank === 0 || graph.graph.model.opset < 5) return undefined
  return graph.op('Reshape', [x, int64(Array.from({ length: rank }, () => 0))])
}
