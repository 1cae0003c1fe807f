import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { spatialPadding } from '../linear/padding.ts'
import { sameShapeReshape } from './same-shape-reshape.ts'

/**
 * MaxPool(Pad(x, 0)): onnxruntime takes the zeros for its own padding, which is −∞ (pad_fusion.cc, 1.30): wrong where x is negative. A
 * Reshape between keeps it from that. Padding that MaxPool can do itself was given to it by pad-pool.
 *
 * AveragePool(Pad(x, 0)) that rounds its size up (ceil_mode): with padding of its own it has fewer windows, which onnxruntime forgets. One
 * whose padding is as wide as its kernel does not load any more, once onnxruntime has made the padding its own.
 */
export const guardPadPool = defineFusion({
  name: 'guard-pad-pool',
  roots: ['MaxPool', 'AveragePool'],
  rewrite(root, graph, context) {
    const [padded] = root.inputs
    const pad = padded?.producer
    if (context.target === 'onnx' || padded === undefined || pad?.is('Pad') !== true) return undefined
    if (root.op === 'AveragePool' && root.int('ceil_mode', 0) === 0 && !isWide(pad, root, context)) return undefined
    const value = pad.inputs[2] === undefined ? pad.float('value', 0) : pad.inputs[2].constant?.scalar
    if (value !== undefined && value !== 0) return undefined
    const guarded = sameShapeReshape(graph, padded, context)
    if (guarded === undefined) return `the rank of "${padded}" is not known`
    return graph.node(root.op, [guarded], root.attributes.values(), { like: root, outputs: root.outputs.length })
      .outputs
  },
})

/** Whether the padding of both together is as wide as the kernel along some axis. */
function isWide(pad: Node, pool: Node, context: FusionContext): boolean {
  const kernel = pool.ints('kernel_shape') ?? []
  const padding = spatialPadding(pad, kernel.length, context)
  if (typeof padding === 'string') return false
  const own = pool.ints('pads') ?? []
  return [...padding.begins, ...padding.ends].some(
    (amount, index) => amount + (own[index] ?? 0) >= (kernel[index % kernel.length] ?? 0),
  )
}
