import { Attribute, isFloat, type Node, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'

/**
 * Gemm(Aᵀ, B, C) → Gemm(A, B, C) with transA turned over, and the same for B. A MatMul of a transposed matrix becomes a Gemm.
 *
 * Only a transpose that nothing else uses: one that stays would be computed anyway.
 */
export const gemmTranspose = defineFusion({
  name: 'gemm-transpose',
  roots: ['Gemm', 'MatMul'],
  rewrite(root, graph, context) {
    const [a, b, ...rest] = root.inputs
    if (a === undefined || b === undefined) return undefined
    const [left, right] = [transposed(a), transposed(b)]
    if (left === undefined && right === undefined) return undefined
    if (root.op === 'MatMul') {
      if (context.shape(a)?.length !== 2 || context.shape(b)?.length !== 2) return undefined
      // C of a Gemm is optional since opset 11.
      if (root.opset < 11) return 'a Gemm before opset 11 needs a C'
      if (!isFloat(context.elementType(a) ?? context.elementType(b))) return 'a Gemm is for floats'
    }
    const shared = [left && a, right && b].map((value) => value && whyShared(value)).find(Boolean)
    if (shared !== undefined) return shared
    const turned = (name: string, isTransposed: boolean): Attribute =>
      Attribute.of(name, (root.int(name, 0) === 0) === isTransposed ? 1 : 0)
    const attributes = [
      ...[...root.attributes.values()].filter(({ name }) => name !== 'transA' && name !== 'transB'),
      turned('transA', left !== undefined),
      turned('transB', right !== undefined),
    ]
    return graph.op('Gemm', [left ?? a, right ?? b, ...rest], attributes, { like: root })
  },
})

/** What a value is the transpose of, as matrices. */
function transposed({ producer }: Value): Value | undefined {
  if (producer === undefined || !producer.is('Transpose')) return undefined
  return isMatrixTranspose(producer) ? producer.inputs[0] : undefined
}

/** Without perm the axes are reversed; in front of a Gemm the rank is 2, in front of a MatMul it is asked for. */
const isMatrixTranspose = (transpose: Node): boolean => {
  const perm = transpose.ints('perm')
  return perm === undefined || (perm.length === 2 && perm[0] === 1)
}
