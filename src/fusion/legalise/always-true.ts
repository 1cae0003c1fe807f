import type { Value } from '../../graph/index.ts'
import { upperBound } from '../../graph/shapes/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { dimsVector } from './dims-vector.ts'
import { indexMap, smallest } from './index-map.ts'

/**
 * a ∧ b, where a is a constant that is true everywhere, or compares positions that are never below 0 with a number that is at most 0 → b,
 * broadcast to the shape of both.
 */
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
      if (condition === undefined || other === undefined || !isTrue(condition, context)) continue
      const shape = context.shape(condition)
      const vector = shape && dimsVector(graph, root, shape, context)
      if (vector !== undefined) return graph.op('Expand', [other, vector], {}, { like: root })
    }
    return undefined
  },
})

function isTrue({ constant, producer }: Value, context: FusionContext): boolean {
  if (constant !== undefined) return constant.toNumbers().every((element) => element !== 0)
  if (producer?.is('GreaterOrEqual') !== true) return false
  const [positions, bound] = producer.inputs
  const map = indexMap(positions, context)
  return map !== undefined && smallest(map) >= largest(bound, context)
}

function largest(value: Value | undefined, context: FusionContext): number {
  const map = indexMap(value, context)
  if (map === undefined || !map.steps.every((step) => step === 0)) return Number.POSITIVE_INFINITY
  return upperBound(map.offset)
}
