import { type EitherPattern, either, type Match, node, optional, scalar, type ValuePattern } from '../pattern.ts'

/** min(max(v, lower), upper), in every spelling. */
export interface Clamp {
  readonly pattern: EitherPattern
  bounds(match: Match): { lower: number; upper: number }
}

/** Clip with inputs or attributes; Min and Max in either order; Relu with Min. Where lower ≤ upper the order changes nothing. */
export function clampOf(v: ValuePattern): Clamp {
  const [lower, upper, low, high] = [scalar(), scalar(), scalar(), scalar()]
  const clip = node('Clip', [v, optional(low), optional(high)])
  const relu = node('Relu', [v])
  const atLeast = node('Max', [v, lower], { commutative: true })
  const atMost = node('Min', [v, upper], { commutative: true })
  const pattern = either(
    clip,
    node('Min', [either(atLeast, relu), upper], { commutative: true }),
    node('Max', [atMost, lower], { commutative: true }),
    node('Relu', [atMost]),
  )
  return {
    pattern,
    bounds(match) {
      const numberOf = (bound: typeof lower, otherwise: number) => (match.has(bound) ? match.number(bound) : otherwise)
      if (!match.has(clip)) return { lower: numberOf(lower, 0), upper: numberOf(upper, Number.POSITIVE_INFINITY) }
      const { opset } = match.node(clip)
      const [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      if (opset >= 11) return { lower: numberOf(low, least), upper: numberOf(high, most) }
      return { lower: match.node(clip).float('min', least), upper: match.node(clip).float('max', most) }
    },
  }
}
