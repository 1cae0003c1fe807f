import type { GraphBuilder, Node, Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { dequantized, type Quantized, roundTrip } from './quantized.ts'

/**
 * onnxruntime's MatMulIntegerToFloat and DynamicQuantizeMatMul, which its optimiser makes of MatMulInteger and what is around it: MatMul of x and
 * Dequantize(W), with the bias.
 */
export const floatProduct = defineFusion({
  name: 'float-product',
  roots: ['com.microsoft::MatMulIntegerToFloat', 'com.microsoft::DynamicQuantizeMatMul'],
  rewrite(root, graph) {
    const isDynamic = root.op === 'DynamicQuantizeMatMul'
    const weight = isDynamic ? quantizedOf(root, 1, 2, 3) : quantizedOf(root, 1, 3, 5)
    const bias = root.inputs[isDynamic ? 4 : 6]
    if (weight === undefined) return undefined
    if (weight.numbers.constant === undefined) return `"${weight.numbers}" is computed, not a weight`
    const x = isDynamic ? root.inputs[0] && roundTrip(graph, root.inputs[0]) : firstFactor(root, graph)
    if (x === undefined || typeof x === 'string') return x
    const W = dequantized(graph, weight, weight.numbers.constant.dims.length - 1)
    if (typeof W === 'string') return W
    const product = graph.op('MatMul', [x, W], {}, { like: root })
    return bias === undefined ? product : graph.op('Add', [product, bias])
  },
})

function firstFactor(root: Node, graph: GraphBuilder): Value | string | undefined {
  const quantized = quantizedOf(root, 0, 2, 4)
  return quantized && dequantized(graph, quantized, -1)
}

function quantizedOf({ inputs }: Node, ...places: readonly [number, number, number]): Quantized | undefined {
  const [numbers, scale, zero] = places.map((place) => inputs[place])
  return numbers && scale && { numbers, scale, zero }
}
