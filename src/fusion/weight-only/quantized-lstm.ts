import type { GraphBuilder, Node, Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNotConstant } from '../pattern.ts'
import { dequantizedWeight, roundTrip } from './quantized.ts'

/** onnxruntime's DynamicQuantizeLSTM → LSTM of floats, with its weights dequantised. Theirs are [directions, inputs, 4 · hidden], those of LSTM transposed. */
export const quantizedLstm = defineFusion({
  name: 'quantized-lstm',
  roots: ['com.microsoft::DynamicQuantizeLSTM'],
  rewrite(root, graph) {
    const [x, w, r, ...rest] = root.inputs
    if (x === undefined || w === undefined || r === undefined) return undefined
    const W = weightOf(graph, root, w, 8)
    if (typeof W === 'string') return W
    const R = weightOf(graph, root, r, 10)
    if (typeof R === 'string') return R
    const others = rest.slice(0, 5)
    const attributes = root.attributes.values()
    return graph.node('LSTM', [roundTrip(graph, x), W, R, ...others], attributes, {
      like: root,
      outputs: root.outputs.length,
    }).outputs
  },
})

function weightOf(graph: GraphBuilder, { inputs }: Node, numbers: Value, scaleAt: number): Value | string {
  const [scale, zero] = inputs.slice(scaleAt, scaleAt + 2)
  const unknown = [numbers, scale, zero].find((value) => value !== undefined && value.constant === undefined)
  if (unknown !== undefined) return whyNotConstant(unknown)
  const transposed = numbers.constant?.transpose([0, 2, 1])
  if (transposed === undefined || scale?.constant === undefined) return 'its weights are not as the operator has them'
  const [directions = 0, gates = 0] = transposed.dims
  const axis = scale.constant.size === directions ? 0 : 1
  if (axis === 1 && directions !== 1) return `its scales are for the ${gates} gates of each of ${directions} directions`
  return dequantizedWeight(graph, graph.constant(transposed), scale.constant, zero?.constant, axis)
}
