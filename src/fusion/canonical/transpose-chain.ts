import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'

/** Transpose_q(Transpose_p(x)) → Transpose_{p∘q}(x), or x where one undoes the other. */
export const transposeChain = defineFusion({
  name: 'transpose-chain',
  roots: ['Transpose'],
  rewrite(root, graph) {
    const [between] = root.inputs
    const first = between?.producer
    const x = first?.inputs[0]
    if (between === undefined || first?.is('Transpose') !== true || x === undefined) return undefined
    const p = first.ints('perm')
    const q = root.ints('perm')
    // Both without a permutation reverse all axes.
    if (p === undefined && q === undefined) return x
    const rank = (p ?? q ?? []).length
    const reversed = Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
    const perm = (q ?? reversed).map((axis) => (p ?? reversed)[axis] ?? -1)
    if (perm.every((axis, place) => axis === place)) return x
    return whyShared(between) ?? graph.op('Transpose', [x], { perm }, { like: root })
  },
})
