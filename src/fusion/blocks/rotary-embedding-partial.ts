import type { Node, Value } from '../../graph/index.ts'
import { type FusionContext, sameDim, sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { microsoftDomain } from './microsoft.ts'
import { type HeadAxes, rotateHeads } from './rotate-heads.ts'
import { placeOfBoth, valueAt } from './rotated-parts.ts'

/**
 * Concat(RotaryEmbedding(x[…, :r]), x[…, r:]) → RotaryEmbedding(x) that turns the first r numbers of each head and hands on the others
 * (rotary_embedding_dim), for x of [B, N, S, H] or [B, S, N, H].
 */
export const rotaryEmbeddingPartial = defineFusion({
  name: 'rotary-embedding-partial',
  roots: ['Concat'],
  rewrite(root, graph, context) {
    const [first, second, ...rest] = root.inputs
    const rotary = first && unreshaped(first).producer
    if (!first || !second || rest.length > 0 || rotary?.op !== 'RotaryEmbedding' || rotary.domain !== microsoftDomain)
      return undefined
    const shared = whyShared(first)
    if (shared !== undefined) return shared
    const [input, positions, cosines, sines] = rotary.inputs
    if (!input || !cosines || !sines || positions?.constant?.scalar !== 0) return 'its positions are not counted from 0'
    const plain =
      !rotary.int('rotary_embedding_dim', 0) && !rotary.int('is_packed_batching', 0) && rotary.float('scale', 1) === 1
    if (!plain) return 'what is rotated is so in part already, or is scaled'
    const rank = context.shape(root.output)?.length ?? 0
    const axis = root.int('axis', 0)
    const turned = sameShape(context.shape(input), context.shape(first)) ? input : unreshaped(input)
    const place = axis === -1 || axis === rank - 1 ? placeOfBoth(turned, second, context) : undefined
    if (place === undefined) return 'it does not join what is rotated with the rest of the same heads'
    const axes = axesOf(turned, first, rotary, context)
    const turning = context.shape(turned)?.at(-1)
    if (axes === undefined || typeof turning !== 'number') return 'what is rotated is not one part of each head'
    const x = valueAt(graph, place, context)
    const pairing = rotary.int('interleaved', 0) === 1 ? 'neighbours' : 'halves'
    return x && rotateHeads(graph, root, x, { pairing, axes, cosines, sines, turning }, context)
  },
})

/** What a value is but for a Reshape, or several. */
function unreshaped(value: Value): Value {
  const [input] = value.producer?.is('Reshape') ? value.producer.inputs : []
  return input === undefined ? value : unreshaped(input)
}

/**
 * How the part of each head that is rotated lies in `turned`, of the same shape as the result. Between the two and the operator are only Reshapes:
 * it rotates [B, N, S, r] as it is, and [B, S, N, r] as [B, S, N·r], or [1, B·S, N·r].
 */
function axesOf(turned: Value, result: Value, rotary: Node, context: FusionContext): HeadAxes | undefined {
  const [shape, inner] = [context.shape(turned), rotary.inputs[0] && context.shape(rotary.inputs[0])]
  if (!shape || !inner || !sameShape(shape, context.shape(result))) return undefined
  const heads = rotary.int('num_heads', 0)
  if (inner.length === 4) {
    const fits = sameShape(inner, shape) && shape[1] === heads
    return fits ? { heads: 1, positions: 2, batched: false } : undefined
  }
  const [batch, length, width] = inner
  const size = shape.at(-1)
  const batched = !sameDim(batch, shape[0])
  if (typeof size !== 'number' || width !== heads * size || (batched && batch !== 1)) return undefined
  const layouts: readonly HeadAxes[] =
    shape.length === 3
      ? [{ heads: undefined, positions: 1, batched }]
      : [2, 1].map((axis) => ({ heads: axis, positions: 3 - axis, batched }))
  // With the heads before the positions, Reshape merges no more than one head, or position.
  return layouts.find((axes) => {
    const count = axes.heads === undefined ? 1 : shape[axes.heads]
    const inOrder = axes.heads !== 1 || count === 1 || shape[2] === 1
    return inOrder && count === heads && (batched || sameDim(length, shape[axes.positions]))
  })
}
