import type { GraphBuilder, Node, Tensor, Value } from '../../graph/index.ts'
import { whyShared } from '../pattern.ts'
import { microsoftDomain } from './microsoft.ts'

/** Features of `groups` × `members` heads, each of `size`, which are to be ordered by member first. */
export interface HeadGroups {
  readonly groups: number
  readonly members: number
  readonly size: number
}

/**
 * A projection with its heads ordered by member: the columns of its weight, [in, N·H], are, and its bias is. What rotates each head alike may stand
 * between. undefined where there is no such weight, or others use what is in between.
 */
export function projectedByMember(graph: GraphBuilder, value: Value, heads: HeadGroups): Value | undefined {
  const { producer: node } = value
  const [first, second] = node?.inputs ?? []
  if (node === undefined || first === undefined || whyShared(value) !== undefined) return undefined
  const again = (...inputs: readonly (Value | Tensor | undefined)[]): Value =>
    graph.op(node.op, inputs, node.attributes.values(), { like: node, domain: node.domain })
  if (node.domain === microsoftDomain && node.op === 'RotaryEmbedding') {
    const rotated = node.int('num_heads', 0) === heads.groups * heads.members
    const projected = rotated ? projectedByMember(graph, first, heads) : undefined
    return projected && again(projected, ...node.inputs.slice(1))
  }
  if (node.is('Add')) {
    const bias = [first, second].find((input) => input?.constant !== undefined)
    const data = bias === first ? second : first
    const moved = bias?.constant?.dims.length === 1 ? byMember(bias.constant, 0, heads) : undefined
    const projected = moved && data && projectedByMember(graph, data, heads)
    return projected && again(projected, moved)
  }
  const weight = node.is('MatMul') ? ownWeight(second) : undefined
  const moved = weight && byMember(weight, 1, heads)
  return moved && again(first, moved)
}

/** The product of heads, ordered by member, and a weight of [N·H, out]: with the rows of the weight ordered so. undefined where it is none. */
export function productByMember(
  graph: GraphBuilder,
  product: Node | undefined,
  value: Value,
  heads: HeadGroups,
): Value | undefined {
  const weight = product?.is('MatMul') ? ownWeight(product.inputs[1]) : undefined
  const moved = weight && byMember(weight, 0, heads)
  if (product === undefined || moved === undefined) return undefined
  return graph.before(product).op('MatMul', [value, moved], product.attributes.values(), { like: product })
}

/** A matrix that no one else uses: with its columns or rows in another order, it takes the place of what it was. */
const ownWeight = (value: Value | undefined): Tensor | undefined =>
  value?.users.size === 1 && value.constant?.dims.length === 2 ? value.constant : undefined

/** A tensor with an axis of groups × members × size as members × groups × size; undefined where the axis is another. */
export function byMember(tensor: Tensor, axis: number, { groups, members, size }: HeadGroups): Tensor | undefined {
  const { dims } = tensor
  if (dims[axis] !== groups * members * size) return undefined
  const split = tensor.reshape([...dims.slice(0, axis), groups, members, size, ...dims.slice(axis + 1)])
  const perm = split.dims.map((_, index) => index)
  perm.splice(axis, 2, axis + 1, axis)
  return split.transpose(perm)?.reshape(dims)
}
