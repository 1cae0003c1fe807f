import { defineFusion } from '../define-fusion.ts'
import { any, either, node, product, sum } from '../pattern.ts'
import { microsoft } from './microsoft.ts'
import { numbersKeepRank } from './scalar-rank.ts'

const x = any()
const erf = node('Erf', [product(Math.SQRT1_2, [x])])
const half = product(0.5, [x])
const distributed = product(0.5, [erf, x])

/**
 * ½·x·(1 + erf(x/√2)) → Gelu(x), in every association and multiplied out: ½·x + ½·x·erf(x/√2).
 * com.microsoft below opset 20; the standard's own from there. The tanh form is another function: see fast-gelu.
 */
export const gelu = defineFusion({
  name: 'gelu',
  pattern: either(product(0.5, [sum(1, [erf]), x]), sum(0, [half, distributed])),
  conditions: [numbersKeepRank(x)],
  replace(match, graph, { target }) {
    const inputs = [match.value(x)]
    if (match.root.opset >= 20) return graph.op('Gelu', inputs, {}, { like: match.root })
    if (target === 'onnx') return 'Gelu is in the ONNX standard from opset 20 on'
    return microsoft(graph, match.root, 'Gelu', inputs).output
  },
})
