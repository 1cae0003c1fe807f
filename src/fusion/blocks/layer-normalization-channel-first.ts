import { defineFusion } from '../define-fusion.ts'
import { filled } from './filled.ts'
import { standardised } from './standardised.ts'

/**
 * The same over axis 1 of [N, C, …] → Transpose to channels last, LayerNormalization, Transpose back. In a convolutional network the runtime
 * keeps data channels last on WebGPU, so that both transposes vanish.
 */
export const layerNormalizationChannelFirst = defineFusion({
  name: 'layer-normalization-channel-first',
  pattern: standardised.pattern,
  replace(match, graph, context) {
    if (match.root.opset < 17 && context.target === 'onnx') {
      return 'LayerNormalization is in the ONNX standard from opset 17 on'
    }
    const found = standardised.read(match, context)
    if (typeof found === 'string') return found
    const { axes, rank, epsilon } = found
    if (String(axes) !== '1' || rank < 3) return `it is over axes ${axes} of ${rank}, not axis 1 alone`
    const x = match.value(standardised.x)
    const channels = context.shape(x)?.[1]
    if (typeof channels !== 'number') return `the size ${channels} of axis 1 is not known`
    const spatial = Array.from({ length: rank - 2 }, (_, index) => index + 2)
    const last = graph.op('Transpose', [x], { perm: [0, ...spatial, 1] })
    const scale = filled(context.elementType(x) ?? 'float32', [channels], 1)
    const normal = graph.op('LayerNormalization', [last, scale], { axis: -1, epsilon }, { like: match.root })
    return graph.op('Transpose', [normal], { perm: [0, rank - 1, ...spatial.map((axis) => axis - 1)] })
  },
})
