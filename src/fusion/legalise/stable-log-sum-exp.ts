import { type ElementType, int64, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { missingKernel } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** The largest finite number of the types that the WebGPU kernel takes. */
const largest: Partial<Record<ElementType, number>> = { float32: 3.4028234663852886e38, float16: 65504 }

/**
 * ReduceLogSumExp(x) → ReduceLogSumExp(x − m) + m with m = max x. The WebGPU kernel of onnxruntime 1.30 adds up exp x as it is, which is infinite
 * from 89 on, and 0 below −104; its wasm kernel subtracts the greatest by itself. An infinite m counts as the largest finite number, since
 * ∞ − ∞ is none.
 */
export const stableLogSumExp = defineFusion({
  name: 'stable-log-sum-exp',
  roots: ['ReduceLogSumExp'],
  rewrite(root, graph, context) {
    const [x, axes] = root.inputs
    const type = x && context.elementType(x)
    const limit = type && largest[type]
    if (context.target === 'onnx' || x === undefined || type === undefined || limit === undefined || isDistance(x))
      return undefined
    const missing = missingKernel(['ReduceMax', 'Clip', 'Sub', 'Add'], root, type, context)
    if (missing !== undefined) return missing
    if (root.int('noop_with_empty_axes', 0) === 1) return 'it may reduce nothing'
    const inputs = axes === undefined ? [] : [axes]
    const places = root.ints('axes')
    const attributes = { keepdims: 1, ...(places && { axes: places }) }
    const number = numberLike(x, context)
    const m = graph.op('Clip', [graph.op('ReduceMax', [x, ...inputs], attributes), number(-limit), number(limit)])
    const sum = graph.op('ReduceLogSumExp', [graph.op('Sub', [x, m]), ...inputs], attributes)
    const result = graph.op('Add', [sum, m])
    if (root.int('keepdims', 1) === 1) return result
    // Without axes all sizes are 1 by now, and go.
    if (places === undefined) return graph.op('Squeeze', [result, ...inputs])
    return root.opset < 13
      ? graph.op('Squeeze', [result], { axes: places })
      : graph.op('Squeeze', [result, int64(places)])
  },
})

/** Whether a value is x − max x already, the maximum clipped or not. */
function isDistance(value: Value): boolean {
  const [x, m] = value.producer?.is('Sub') === true ? value.producer.inputs : []
  const greatest = m?.producer?.is('Clip') === true ? m.producer.inputs[0] : m
  return greatest?.producer?.is('ReduceMax') === true && greatest.producer.inputs[0] === x
}
