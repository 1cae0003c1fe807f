import { sameShape } from '../context.ts'
import { defineLowering } from './lowering.ts'

/** RMSNormalization(x; γ) → SimplifiedLayerNormalization(x; γ), ONNX Runtime's name for it, in any opset. */
export const lowerRmsNormalization = defineLowering({
  name: 'lower-rms-normalization',
  op: 'RMSNormalization',
  form: ['SimplifiedLayerNormalization'],
  lower(root, graph, context) {
    const [x, scale] = root.inputs
    const shape = x && context.shape(x)
    if (x === undefined || scale === undefined || shape === undefined) return `the rank of "${x}" is not known`
    const axis = root.int('axis', -1)
    const normalised = shape.slice(axis < 0 ? axis + shape.length : axis)
    if (!sameShape(context.shape(scale), normalised)) return `its scale is not of shape [${normalised.join(', ')}]`
    if (context.elementType(scale) !== context.elementType(x)) return 'its scale is of another type'
    const stash = root.int('stash_type', 1)
    if (stash !== 1) return `it computes in another type (${stash})`
    const attributes = { axis: -normalised.length, epsilon: root.float('epsilon', 1e-5), stash_type: stash }
    return graph.op('SimplifiedLayerNormalization', [x, scale], attributes, { like: root })
  },
})
