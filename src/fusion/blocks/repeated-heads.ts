import type { Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { type Arrangement, type Axis, arrangementsOf, type Part, sizesOf } from './arrangement.ts'
import type { Heads } from './multi-head-attention.ts'

/** Keys or values whose heads are each there several times, side by side: what is repeated, and how often. */
export interface RepeatedHeads {
  readonly ways: Heads[]
  readonly times: number
}

/**
 * The heads before they were repeated, of keys or values of [B, N, T, H] or [B, T, N·H]: by Expand, Tile, or Concat with themselves along an axis of
 * their own. undefined where they are not seen to be.
 */
export function repeatedHeads(side: Value, count: number, context: FusionContext): RepeatedHeads | undefined {
  const [way] = arrangementsOf(side, context)
  const repeat = way?.scale === 1 ? repeatOf(way.source, context) : undefined
  if (way === undefined || repeat === undefined || way.from.some((axis) => axis.length > 1)) return undefined
  const [group] = way.from[repeat.axis] ?? []
  const axes = group && headAxesOf(way, count, group)
  if (axes === undefined) return undefined
  const ways = arrangementsOf(repeat.once, context).map((above): Heads => {
    const [batch = [], heads = [], positions = [], features = []] = axes.map((axis) =>
      axis.flatMap((part) => above.to[way.from.findIndex(([own]) => own === part)] ?? []),
    )
    return { ...above, axes: [batch, heads, positions, features] }
  })
  return { ways: ways.filter(({ scale }) => scale === 1), times: repeat.times }
}

/** Batch, heads, positions and features, without the part that repeats each head, which must be the innermost of the heads. */
function headAxesOf({ to }: Arrangement, count: number, group: Part): readonly Axis[] | undefined {
  if (to.length === 4) {
    const [batch = [], heads = [], positions = [], features = []] = to
    return heads.at(-1) === group ? [batch, heads.slice(0, -1), positions, features] : undefined
  }
  const [batch = [], positions = [], merged = []] = to
  const place = merged.indexOf(group)
  const heads = merged.slice(0, place + 1)
  return to.length === 3 && place >= 0 && sameDim(sizesOf([heads])[0], count)
    ? [batch, heads.slice(0, -1), positions, merged.slice(place + 1)]
    : undefined
}

/** What a value has several times along one axis, where that has it once; the rest of the shape is the same. */
function repeatOf(value: Value, context: FusionContext): { once: Value; axis: number; times: number } | undefined {
  const { producer } = value
  const [once] = producer?.inputs ?? []
  const [shape, before] = [context.shape(value), once && context.shape(once)]
  if (producer === undefined || once === undefined || shape === undefined || shape.length !== before?.length)
    return undefined
  const twice = producer.is('Concat') && producer.inputs.every((input) => input === once)
  if (!twice && !producer.is('Expand') && !producer.is('Tile')) return undefined
  const changed = shape.flatMap((dim, axis) => (sameDim(dim, before[axis]) ? [] : [axis]))
  const [axis] = changed
  const times = axis === undefined ? undefined : shape[axis]
  if (axis === undefined || changed.length !== 1 || before[axis] !== 1 || typeof times !== 'number') return undefined
  return { once, axis, times }
}
