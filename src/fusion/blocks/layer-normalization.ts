import { defineFusion } from '../define-fusion.ts'
import { filled } from './filled.ts'
import { standardised, trailingSizes } from './standardised.ts'

/**
 * (x − mean(x)) / √(mean((x − mean(x))²) + ε) → LayerNormalization(x, 1), both means over the last axes. A scale and a bias that follow are
 * absorbed by normalization-affine. Below opset 17 it is ONNX Runtime's operator of the same name, also in the standard's domain.
 */
export const layerNormalization = defineFusion({
  name: 'layer-normalization',
  pattern: standardised.pattern,
  replace(match, graph, context) {
    if (match.root.opset < 17 && context.target === 'onnx') {
      return 'LayerNormalization is in the ONNX standard from opset 17 on'
    }
    const found = standardised.read(match, context)
    if (typeof found === 'string') return found
    const sizes = trailingSizes(match, found, context)
    if (typeof sizes === 'string') return sizes
    const x = match.value(standardised.x)
    const scale = filled(context.elementType(x) ?? 'float32', sizes, 1)
    return graph.op(
      'LayerNormalization',
      [x, scale],
      { axis: -sizes.length, epsilon: found.epsilon },
      { like: match.root },
    )
  },
})
