import type { Node, Value } from '../../graph/index.ts'
import { upperBound } from '../../graph/shapes/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { dimsVector } from './dims-vector.ts'
import { indexMap, smallest } from './index-map.ts'

/** a ∧ b, where a compares positions that are never below 0 with a number that is at most 0 → b, broadcast to the shape of both. */
export const alwaysTrue = defineFusion({
  name: 'always-true',
  roots: ['And'],
  rewrite(root, graph, context) {
    if (context.target === 'onnx') return undefined
    const [a, b] = root.inputs
    for (const [condition, other] of [
      [a, b],
      [b, a],
    ]) {
      if (condition === undefined || other === undefined || !isTrue(condition.producer, context)) continue
      const shape = context.shape(condition)
      const vector = shape && dimsVector(graph, root, shape, context)
      if (vector !== undefined) return graph.op('Expand', [other, vector], {}, { like: root })
    }
    return undefined
  },
})

function isTrue(node: Node | undefined, context: FusionContext): boolean {
  if (node?.is('GreaterOrEqual') !== true) return false
  const [positions, bound] = node.inputs
  const map = indexMap(positions, context)
  return map !== undefined && smallest(map) >= largest(bound, context)
}

function largest(value: Value | undefined, context: FusionContext): number {
  const map = indexMap(value, context)
  if (map === undefined || !map.steps.every((step) => step === 0)) return Number.POSITIVE_INFINITY
  return upperBound(map.offset)
}
