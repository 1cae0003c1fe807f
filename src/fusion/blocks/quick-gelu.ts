import { defineFusion } from '../define-fusion.ts'
import { any, either, inverse, node, product, scalar, sum } from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { microsoft } from './microsoft.ts'
import { numbersKeepRank } from './scalar-rank.ts'

const x = any()
const [alpha, minusAlpha] = [scalar(), scalar()]
const sigmoid = node('Sigmoid', [either(x, product(alpha, [x]))])
const exp = node('Exp', [either(node('Neg', [x]), product(minusAlpha, [x]))])

/**
 * x·σ(α·x) → QuickGelu(x; α), and x / (1 + e^(−α·x)), the same written out. α = 1 is SiLU, also called Swish.
 * The runtime fuses a convolution with it as it does with Relu.
 */
export const quickGelu = defineFusion({
  name: 'quick-gelu',
  pattern: either(product(1, [sigmoid, x]), product(1, [x, inverse(sum(1, [exp]))])),
  conditions: [
    (_match, { target }) => (target === 'onnx' ? 'QuickGelu is not in the ONNX standard' : undefined),
    numbersKeepRank(x),
    (match, context) => whyNoFloatKernel(match.value(x), context),
  ],
  replace(match, graph) {
    const factor = match.has(alpha) ? match.number(alpha) : match.has(minusAlpha) ? -match.number(minusAlpha) : 1
    return microsoft(graph, match.root, 'QuickGelu', [match.value(x)], { alpha: factor }).output
  },
})
