import { defineFusion } from '../define-fusion.ts'
import { sameShapeReshape } from './same-shape-reshape.ts'

/**
 * ReduceMean(xⁿ): onnxruntime takes it for the variance of a layer normalisation whatever n is (layer_norm_fusion.cc, 1.30): wrong where n
 * is not 2. A Reshape between keeps it from that.
 */
export const guardPowerMean = defineFusion({
  name: 'guard-power-mean',
  roots: ['ReduceMean'],
  rewrite(root, graph, context) {
    const [power, ...axes] = root.inputs
    const pow = power?.producer
    if (context.target === 'onnx' || power === undefined || pow?.is('Pow') !== true) return undefined
    if (pow.inputs[1]?.constant?.scalar === 2) return undefined
    const guarded = sameShapeReshape(graph, power, context)
    if (guarded === undefined) return `the rank of "${power}" is not known`
    return graph.op('ReduceMean', [guarded, ...axes], root.attributes.values(), { like: root })
  },
})
