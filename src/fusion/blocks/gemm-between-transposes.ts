import type { GraphBuilder, Node } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { arrange, arrangementsOf, follow, keepsOrder, type Part } from './arrangement.ts'

/**
 * Views(Gemm(views(x), W, b)) → MatMul(x, W) + b, where the views move rows to and fro: nn.MultiheadAttention projects its result sequence first,
 * flattened to two axes. Without a Transpose to be saved, Gemm is the better form, and stays.
 */
export const gemmBetweenTransposes = defineFusion({
  name: 'gemm-between-transposes',
  roots: ['Gemm'],
  rewrite(root, graph, context) {
    const chain = viewsBehind(root)
    return chain.some((view) => view.is('Transpose')) ? withoutViews(root, chain, graph, context) : undefined
  },
})

/** Views(Gemm(views(x), W, b)) → MatMul(x, W) + b, for the views behind a Gemm, where what is left of the views keeps the order of the elements. */
export function withoutViews(
  root: Node,
  chain: readonly Node[],
  graph: GraphBuilder,
  context: FusionContext,
): readonly Replacement[] | string | undefined {
  const [a, weight, bias] = root.inputs
  const W = weight?.constant
  if (a === undefined || W === undefined) return undefined
  const plain = root.float('alpha', 1) === 1 && root.float('beta', 1) === 1 && root.int('transA', 0) === 0
  const B = root.int('transB', 0) === 0 ? W : W.transpose([1, 0])
  const columns = B?.dims[1]
  if (!plain || B === undefined || columns === undefined) return 'it transposes or scales its input'
  const { size, dims } = bias?.constant ?? {}
  if (bias !== undefined && (size !== columns || dims?.at(-1) !== columns)) return 'its bias is not one number a column'
  const [way] = arrangementsOf(a, context)
  const behind = follow(root.output, chain, context)
  const [rows, features] = way?.to ?? []
  const [rowsBehind, column] = behind?.from ?? []
  if (way?.scale !== 1 || behind === undefined || !rows || !features || !rowsBehind || !column) return undefined
  const same =
    rows.length === rowsBehind.length && rows.every(({ size }, index) => sameDim(size, rowsBehind[index]?.size))
  const last = behind.to.at(-1) ?? []
  if (!same || last.length !== column.length || last.some((part, index) => part !== column[index])) {
    return 'rows and columns do not stay apart'
  }
  const counterpart = (part: Part): Part => rows[rowsBehind.indexOf(part)] ?? part
  const axes = [...behind.to.slice(0, -1).map((axis) => axis.map(counterpart)), features]
  if (!keepsOrder(way, axes)) return 'a Transpose would stay'
  const x = arrange(graph, way, axes, context)
  if (x === undefined) return 'a shape is not known'
  const projected = graph.op('MatMul', [x, B], {}, { like: root })
  const b = bias?.constant?.reshape([columns])
  return [
    { from: chain.at(-1)?.output ?? root.output, to: b === undefined ? projected : graph.op('Add', [projected, b]) },
  ]
}

/** The views behind a node, each the only user of the one before. */
export function viewsBehind(root: Node): Node[] {
  const chain: Node[] = []
  for (let output = root.output; !output.isOutput && output.users.size === 1; ) {
    const [user] = output.users
    const isView = user?.domain === '' && ['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze'].includes(user.op)
    if (user === undefined || !isView || user.inputs[0] !== output || user.graph !== root.graph) break
    chain.push(user)
    output = user.output
  }
  return chain
}
