import { isFloat } from '../../graph/index.ts'
import { whyNotBroadcast } from '../canonical/broadcast.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'

/** A·B + C → Gemm(A, B, C), for matrices; C must broadcast to the product, since a Gemm does not stretch its result. */
export const matmulAdd = defineFusion({
  name: 'matmul-add',
  roots: ['Add', 'Sum'],
  rewrite(root, graph, context) {
    const product = root.inputs.find((input) => input?.producer?.is('MatMul'))
    const c = root.inputs.find((input) => input !== product)
    const matmul = product?.producer
    const [a, b] = matmul?.inputs ?? []
    if (product === undefined || matmul === undefined || a === undefined || b === undefined || c === undefined) {
      return undefined
    }
    const [left, right] = [context.shape(a), context.shape(b)]
    if (left?.length !== 2 || right?.length !== 2) return undefined
    if (root.inputs.length !== 2) return undefined
    if (root.opset < 8) return 'sums before opset 8 broadcast in their own way'
    if (!isFloat(context.elementType(a) ?? context.elementType(b))) return 'a Gemm is for floats'
    const reason = whyShared(product) ?? whyNotBroadcast(context.shape(c), [left[0] ?? 0, right[1] ?? 0])
    return reason ?? graph.op('Gemm', [a, b, c], {}, { like: matmul })
  },
})
