import { isFloat } from '../graph/index.ts'
import { whyNotBroadcast } from './broadcast.ts'
import { defineFusion } from './define-fusion.ts'
import { any, node } from './pattern.ts'

const a = any()
const b = any()
const c = any()
const product = node('MatMul', [a, b])
const sum = node('Add', [product, c], { commutative: true })

/** A·B + C → Gemm(A, B, C), for matrices; C must broadcast to the product, since a Gemm does not stretch its result. */
export const matmulAdd = defineFusion({
  name: 'matmul-add',
  pattern: sum,
  conditions: [
    (match, context) => {
      const [left, right] = [context.shape(match.value(a)), context.shape(match.value(b))]
      return left?.length === 2 && right?.length === 2
        ? whyNotBroadcast(context.shape(match.value(c)), [left[0] ?? 0, right[1] ?? 0])
        : `"${match.value(a)}" and "${match.value(b)}" are not known to be matrices`
    },
    (match, context) =>
      isFloat(context.elementType(match.value(product)) ?? context.elementType(match.value(a)))
        ? undefined
        : 'a Gemm is for floats',
    (match) => (match.root.opset < 7 ? 'Gemm before opset 7 broadcasts C in its own way' : undefined),
  ],
  replace: (match, graph) =>
    graph.op('Gemm', [match.value(a), match.value(b), match.value(c)], {}, { like: match.node(product) }),
})
