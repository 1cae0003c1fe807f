import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import {
  any,
  constant,
  either,
  inverse,
  type Match,
  node,
  product,
  scalar,
  sum,
  type ValuePattern,
} from '../pattern.ts'
import { filled } from './filled.ts'
import { meanAxes, meanOf } from './mean.ts'
import { type Normalisation, readMean, squareOf, trailingSizes } from './standardised.ts'

const [x, gamma, beta, epsilon] = [any(), constant(), any(), scalar()]
const mean = meanOf(x)
const centred = sum(0, [x, inverse(mean)])
const meanOfSquares = meanOf(squareOf(x))
const variance = meanOf(squareOf(centred))
const difference = sum(0, [meanOfSquares, inverse(squareOf(mean))])
/** No variance is below 0: a bound there is for what rounding leaves of the difference. */
const moment = either(
  node('Max', [difference, scalar(0)], { commutative: true }),
  node('Relu', [difference]),
  difference,
)
const biased = either(sum(epsilon, [variance]), sum(epsilon, [moment]))
const root = inverse(either(node('Sqrt', [biased]), node('Pow', [biased, scalar(0.5)])))
const power = node('Pow', [biased, scalar(-0.5)])

/** The factors that x is multiplied by: with the scale among them first, which the shorter ones would not see. */
const gains: readonly (readonly ValuePattern[])[] = [[root, gamma], [power, gamma], [root], [power]]
const spread = (gain: readonly ValuePattern[]): ValuePattern[] => {
  const scaled = product(1, [x, ...gain])
  const shifts = [inverse(product(1, [mean, ...gain])), product(1, [node('Neg', [mean]), ...gain])]
  return shifts.flatMap((shift) => [sum(0, [scaled, shift, beta]), sum(0, [scaled, shift])])
}
const pattern = either(...gains.flatMap((gain) => [product(1, [centred, ...gain]), ...spread(gain)]))

/**
 * (x − μ)·r·γ with r = 1/√(σ² + ε), and x·(r·γ) + (β − μ·(r·γ)), as TensorFlow and Keras write it → LayerNormalization(x, 1)·γ + β, which
 * normalization-affine makes one of. The variance may be mean(x²) − μ², as Flax has it: the same in exact arithmetic, though it loses digits
 * where the mean is large beside the deviation, which LayerNormalization does not.
 */
export const layerNormalizationMoments = defineFusion({
  name: 'layer-normalization-moments',
  pattern,
  conditions: [
    (match, { target }) =>
      match.root.opset < 17 && target === 'onnx'
        ? 'LayerNormalization is in the ONNX standard from opset 17 on'
        : undefined,
  ],
  replace(match, graph, context) {
    const found = read(match, context)
    if (typeof found === 'string') return found
    const sizes = trailingSizes(match, found, context, x)
    if (typeof sizes === 'string') return sizes
    const data = match.value(x)
    const ones = filled(context.elementType(data) ?? 'float32', sizes, 1)
    const attributes = { axis: -sizes.length, epsilon: found.epsilon }
    const [hasScale, hasBias] = [match.has(gamma), match.has(beta)]
    const like = { like: match.root }
    const normal = graph.op('LayerNormalization', [data, ones], attributes, hasScale || hasBias ? {} : like)
    const scaled = hasScale ? graph.op('Mul', [normal, match.value(gamma)], {}, hasBias ? {} : like) : normal
    return hasBias ? graph.op('Add', [scaled, match.value(beta)], {}, like) : scaled
  },
})

function read(match: Match, context: FusionContext): Normalisation | string {
  const first = meanAxes(match.node(mean), context)
  if (typeof first === 'string') return first
  const square = match.has(variance) ? variance : meanOfSquares
  const found = readMean(match, context, { mean: square, epsilon: (one) => one.number(epsilon) }, x)
  if (typeof found === 'string') return found
  return String(found.axes) === String(first)
    ? found
    : `the mean is over axes ${first}, the variance over axes ${found.axes}`
}
