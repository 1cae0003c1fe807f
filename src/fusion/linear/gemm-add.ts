import { whyNotBroadcast } from '../canonical/broadcast.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, node } from '../pattern.ts'

const a = any()
const b = any()
const c = any()
const gemm = node('Gemm', [a, b])
const sum = node(['Add', 'Sum'], [gemm, c], { commutative: true })

/** α·A·B + C → Gemm(A, B, C), for a Gemm without a C of its own; C must broadcast to the product. */
export const gemmAdd = defineFusion({
  name: 'gemm-add',
  pattern: sum,
  conditions: [
    (match, context) => {
      const { root } = match
      const original = match.node(gemm)
      const rows = context.shape(match.value(a))?.[original.int('transA', 0) === 0 ? 0 : 1]
      const columns = context.shape(match.value(b))?.[original.int('transB', 0) === 0 ? 1 : 0]
      if (root.opset < 8) return 'sums before opset 8 broadcast in their own way'
      const product = rows === undefined || columns === undefined ? undefined : [rows, columns]
      return whyNotBroadcast(context.shape(match.value(c)), product)
    },
  ],
  replace(match, graph) {
    const original = match.node(gemm)
    const attributes = [...original.attributes.values()].filter(({ name }) => name !== 'beta')
    return graph.op('Gemm', [match.value(a), match.value(b), match.value(c)], attributes, { like: original })
  },
})
