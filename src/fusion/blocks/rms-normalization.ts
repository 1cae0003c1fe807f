import { defineFusion } from '../define-fusion.ts'
import { filled } from './filled.ts'
import { rootMeanSquare, trailingSizes } from './standardised.ts'

/**
 * x / √(mean(x²) + ε) → SimplifiedLayerNormalization(x, 1), the mean over the last axes; RMSNormalization from opset 23 on, where it is in the
 * standard. A scale that follows is absorbed by normalization-affine.
 */
export const rmsNormalization = defineFusion({
  name: 'rms-normalization',
  pattern: rootMeanSquare.pattern,
  replace(match, graph, context) {
    const standard = match.root.opset >= 23
    if (!standard && context.target === 'onnx') return 'RMSNormalization is in the ONNX standard from opset 23 on'
    const found = rootMeanSquare.read(match, context)
    if (typeof found === 'string') return found
    const sizes = trailingSizes(match, found, context)
    if (typeof sizes === 'string') return sizes
    const x = match.value(rootMeanSquare.x)
    const scale = filled(context.elementType(x) ?? 'float32', sizes, 1)
    // ONNX Runtime registers its own operator in the standard's domain.
    const op = standard ? 'RMSNormalization' : 'SimplifiedLayerNormalization'
    const attributes = { axis: -sizes.length, epsilon: found.epsilon, stash_type: 1 }
    return graph.op(op, [x, scale], attributes, { like: match.root })
  },
})
