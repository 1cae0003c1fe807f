import { defineFusion } from '../define-fusion.ts'
import { sameShapeReshape } from './same-shape-reshape.ts'

/**
 * BatchNorm(Conv(x)) in float16: onnxruntime folds the norm into the weights without looking whether they stay finite (conv_bn_fusion.cc,
 * 1.30). Where conv-batch-norm left the two apart, a Reshape between keeps them apart.
 */
export const guardConvBatchNorm = defineFusion({
  name: 'guard-conv-batch-norm',
  roots: ['BatchNormalization'],
  rewrite(root, graph, context) {
    const [x, ...operands] = root.inputs
    if (context.target === 'onnx' || x === undefined || x.producer?.is('Conv') !== true) return undefined
    if (context.elementType(x) !== 'float16' || root.outputs.length !== 1) return undefined
    const guarded = sameShapeReshape(graph, x, context)
    if (guarded === undefined) return `the rank of "${x}" is not known`
    return graph.op('BatchNormalization', [guarded, ...operands], root.attributes.values(), { like: root })
  },
})
