import type { FusionContext } from '../context.ts'
import type { Match, ValuePattern } from '../pattern.ts'

/**
 * A condition for patterns with numbers in them: a constant of shape [1, 1, 1] is a number too, but raises the rank of data that has less.
 * `data` is what the numbers meet.
 */
export const numbersKeepRank =
  (data: ValuePattern) =>
  (match: Match, context: FusionContext): string | undefined => {
    if (match.numberRank === 0) return undefined
    const rank = context.shape(match.value(data))?.length
    if (rank === undefined)
      return `the rank of "${match.value(data)}" is not known, and a constant in it has rank ${match.numberRank}`
    return match.numberRank > rank
      ? `a constant of rank ${match.numberRank} raises the rank of "${match.value(data)}"`
      : undefined
  }
