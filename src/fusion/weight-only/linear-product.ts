import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { dequantized, type Quantized, quantizedAt, requantized } from './quantized.ts'

/** QLinearConv and QLinearMatMul, and onnxruntime's QGemm → Conv, MatMul or Gemm of what their numbers stand for, quantised again. */
export const linearProduct = defineFusion({
  name: 'linear-product',
  roots: ['QLinearConv', 'com.microsoft::QLinearConv', 'QLinearMatMul', 'com.microsoft::QGemm'],
  rewrite(root, graph) {
    const [x, w] = [quantizedAt(root, 0), quantizedAt(root, 3)]
    if (x === undefined || w === undefined) return undefined
    if (root.int('channels_last', 0) !== 0) return 'its channels are last'
    const left = dequantized(graph, x, -1)
    if (typeof left === 'string') return left
    const right = dequantized(graph, w, channelAxis(root, w))
    if (typeof right === 'string') return right
    const numbers = root.inputs[biasAt[root.op] ?? -1]
    const bias = numbers && biasOf(graph, numbers, x, w, root)
    if (typeof bias === 'string') return bias
    const attributes = [...root.attributes.values()].filter(({ name }) => name !== 'channels_last')
    const op = root.op.replace(/^Q(Linear)?/, '')
    const result = graph.op(op, bias ? [left, right, bias] : [left, right], attributes, { like: root })
    // QGemm without a scale for its result gives floats.
    if (root.op === 'QGemm' && root.inputs[7] === undefined) return result
    return requantized(graph, result, root, root.op === 'QGemm' ? 7 : 6)
  },
})

const biasAt: Readonly<Record<string, number>> = { QLinearConv: 8, QGemm: 6 }

/** The axis of a weight along which its scales may differ. */
function channelAxis(root: Node, { numbers }: Quantized): number {
  const last = (numbers.constant?.dims.length ?? 1) - 1
  if (root.op === 'QLinearConv' || root.int('transB', 0) !== 0) return 0
  return last
}

/** A bias is of int32, in steps of the product of both scales; it is small, and becomes floats. A string is a reason why not. */
function biasOf(graph: GraphBuilder, numbers: Value, x: Quantized, w: Quantized, root: Node): Value | string {
  const [steps, one, other] = [numbers.constant, x.scale.constant?.scalar, w.scale.constant?.toNumbers()]
  if (steps === undefined || one === undefined || other === undefined)
    return `its bias "${numbers}" is not a constant of known scale`
  const columns = steps.dims.at(-1) ?? 1
  if (other.length !== 1 && other.length !== columns) return 'its bias is not for the channels of its weight'
  const alpha = root.float('alpha', 1)
  const floats = Array.from(steps.toNumbers(), (step, index) => {
    return step * one * (other[other.length === 1 ? 0 : index % columns] ?? Number.NaN) * alpha
  })
  return graph.constant(Tensor.fromNumbers('float32', steps.dims, floats))
}
