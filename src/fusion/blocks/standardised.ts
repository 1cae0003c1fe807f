import type { FusionContext } from '../context.ts'
import {
  any,
  type EitherPattern,
  either,
  inverse,
  type Match,
  type NodePattern,
  node,
  product,
  scalar,
  sum,
  type ValuePattern,
} from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { meanAxes, meanOf } from './mean.ts'

/** v², in both spellings. */
export const squareOf = (v: ValuePattern): EitherPattern => either(product(1, [v, v]), node('Pow', [v, scalar(2)]))

/** v / √(mean(v²) + ε), in every spelling; `also` are factors that may stand between. */
export function dividedByRootMeanSquare(v: ValuePattern): {
  pattern: EitherPattern
  mean: NodePattern
  epsilon: (match: Match) => number
} {
  const epsilon = scalar()
  const mean = meanOf(squareOf(v))
  const biased = sum(epsilon, [mean])
  const root = either(node('Sqrt', [biased]), node('Pow', [biased, scalar(0.5)]))
  const pattern = either(product(1, [v, inverse(root)]), product(1, [v, node('Pow', [biased, scalar(-0.5)])]))
  return { pattern, mean, epsilon: (match) => match.number(epsilon) }
}

/** What a normalisation normalises, over what: axes ascending and from 0. */
export interface Normalisation {
  readonly axes: readonly number[]
  readonly rank: number
  readonly epsilon: number
}

const x = any()
const mean = meanOf(x)
const centred = sum(0, [x, inverse(mean)])
const standard = dividedByRootMeanSquare(centred)
const rms = dividedByRootMeanSquare(x)

/** (x − mean(x)) / √(mean((x − mean(x))²) + ε): what layer and instance normalisation share. */
export const standardised = {
  x,
  pattern: standard.pattern,
  /** The axes and ε, or the reason why it is no normalisation. */
  read(match: Match, context: FusionContext): Normalisation | string {
    const first = meanAxes(match.node(mean), context)
    if (typeof first === 'string') return first
    const found = readMean(match, context, standard, x)
    if (typeof found === 'string') return found
    return String(found.axes) === String(first)
      ? found
      : `the mean is over axes ${first}, the variance over axes ${found.axes}`
  },
}

/** x / √(mean(x²) + ε). */
export const rootMeanSquare = {
  x,
  pattern: rms.pattern,
  read: (match: Match, context: FusionContext): Normalisation | string => readMean(match, context, rms, x),
}

/** What is normalised, by its mean of squares and the ε that is added to that; the reason why it is no normalisation. */
export function readMean(
  match: Match,
  context: FusionContext,
  { mean: square, epsilon: read }: { mean: NodePattern; epsilon: (match: Match) => number },
  data: ValuePattern,
): Normalisation | string {
  const value = match.value(data)
  const axes = meanAxes(match.node(square), context)
  if (typeof axes === 'string') return axes
  const rank = context.shape(value)?.length ?? 0
  const epsilon = read(match)
  if (match.numberRank > rank) return `a constant of rank ${match.numberRank} raises the rank of "${value}"`
  if (!(epsilon > 0)) return `its ε is ${epsilon}, not above 0`
  const reason = whyNoFloatKernel(value, context)
  if (reason !== undefined) return reason
  return { axes, rank, epsilon }
}

/** The sizes of the last axes that are normalised; the reason when other axes are, or the sizes are open. */
export function trailingSizes(
  match: Match,
  { axes, rank }: Normalisation,
  context: FusionContext,
  data: ValuePattern = x,
): number[] | string {
  if (axes.some((axis, index) => axis !== rank - axes.length + index))
    return `it is over axes ${axes} of ${rank}, not the last`
  const sizes = context.shape(match.value(data))?.slice(-axes.length) ?? []
  return sizes.every((size): size is number => typeof size === 'number' && size > 0)
    ? sizes
    : `the sizes ${sizes.join(', ')} of the axes it is over are not known, or 0`
}
