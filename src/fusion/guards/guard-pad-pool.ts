import { defineFusion } from '../define-fusion.ts'
import { sameShapeReshape } from './same-shape-reshape.ts'

/**
 * MaxPool(Pad(x, 0)): onnxruntime takes the zeros for its own padding, which is −∞ (pad_fusion.cc, 1.30): wrong where x is negative. A
 * Reshape between keeps it from that. Padding that MaxPool can do itself was given to it by pad-pool.
 */
export const guardPadPool = defineFusion({
  name: 'guard-pad-pool',
  roots: ['MaxPool'],
  rewrite(root, graph, context) {
    const [padded] = root.inputs
    const pad = padded?.producer
    if (context.target === 'onnx' || padded === undefined || pad?.is('Pad') !== true) return undefined
    const value = pad.inputs[2] === undefined ? pad.float('value', 0) : pad.inputs[2].constant?.scalar
    if (value !== undefined && value !== 0) return undefined
    const guarded = sameShapeReshape(graph, padded, context)
    if (guarded === undefined) return `the rank of "${padded}" is not known`
    return graph.node('MaxPool', [guarded], root.attributes.values(), { like: root, outputs: root.outputs.length })
      .outputs
  },
})
