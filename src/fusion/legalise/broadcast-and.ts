import { elementTypes, type GraphBuilder, type Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { isOnGpu } from './on-gpu.ts'

/**
 * a ∧ b → b > ¬a, of numbers, where the last axis of a is broadcast to that of b, or the other way.
 *
 * onnxruntime-web (binary_elementwise_ops.cc, 1.30) compiles an And of 4 elements a step once for all models of a page, whichever operand is the
 * one that repeats; a second And, in which it is the other or neither, is wrong. Comparisons of numbers are told apart.
 */
export const broadcastAnd = defineFusion({
  name: 'broadcast-and',
  roots: ['And'],
  rewrite(root, graph, context) {
    const [a, b] = root.inputs
    if (context.target === 'onnx' || root.opset < 7 || a === undefined || b === undefined) return undefined
    if (![a, b].some((x) => x.constant === undefined && isOnGpu(x, context))) return undefined
    if (isScalar(a, context) || isScalar(b, context)) return undefined
    if (sameDim(context.shape(a)?.at(-1), context.shape(b)?.at(-1))) return undefined
    const [negated, other] = b.constant === undefined ? [a, b] : [b, a]
    return graph.op('Greater', [number(graph, other), number(graph, negation(graph, negated))], {}, { like: root })
  },
})

const isScalar = (x: Value, context: FusionContext): boolean => {
  const shape = context.shape(x)
  return shape !== undefined && (shape.length === 0 || (shape.length === 1 && shape[0] === 1))
}

const number = (graph: GraphBuilder, x: Value): Value => graph.op('Cast', [x], { to: elementTypes.float32.code })

const negation = (graph: GraphBuilder, x: Value): Value => {
  const [of] = x.producer?.is('Not') === true ? x.producer.inputs : []
  return of ?? graph.op('Not', [x])
}
