import { defineFusion } from '../define-fusion.ts'
import { any, either, node, product, scalar, sum } from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { microsoft } from './microsoft.ts'
import { numbersKeepRank } from './scalar-rank.ts'

const scale = Math.sqrt(2 / Math.PI)
const cubic = 0.044715

const x = any()
const cube = node('Pow', [x, scalar(3)])
const square = either(node('Pow', [x, scalar(2)]), product(1, [x, x]))
const inner = either(
  product(scale, [sum(0, [either(product(cubic, [cube]), product(cubic, [square, x]), product(cubic, [x, x, x])), x])]),
  product(scale, [sum(1, [either(product(cubic, [square]), product(cubic, [x, x]))]), x]),
)
const tanh = node('Tanh', [inner])

/**
 * ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) → FastGelu(x), or Gelu with approximate = "tanh" from opset 20 on.
 * Also with the cube as a product, x taken out of the inner sum, and multiplied out. The erf form is another function: see gelu.
 */
export const fastGelu = defineFusion({
  name: 'fast-gelu',
  pattern: either(product(0.5, [sum(1, [tanh]), x]), sum(0, [product(0.5, [tanh, x]), product(0.5, [x])])),
  conditions: [numbersKeepRank(x)],
  replace(match, graph, context) {
    const inputs = [match.value(x)]
    if (match.root.opset >= 20) return graph.op('Gelu', inputs, { approximate: 'tanh' }, { like: match.root })
    // wasm's kernel refuses scalars.
    if (!context.shape(match.value(x))?.length) return `"${match.value(x)}" is not known to have an axis`
    if (context.target === 'onnx') return 'Gelu is in the ONNX standard from opset 20 on'
    const reason = whyNoFloatKernel(match.value(x), context)
    if (reason !== undefined) return reason
    return microsoft(graph, match.root, 'FastGelu', inputs).output
  },
})
