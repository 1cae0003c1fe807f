import { defineFusion } from '../define-fusion.ts'

/** Since when QuantizeLinear and DequantizeLinear have them, in the ONNX standard. */
const [scalesForChannels, otherTypes] = [13, 21]
const types = ['int8', 'uint8', 'int32']

/** onnxruntime's own QuantizeLinear and DequantizeLinear → those of the ONNX standard, where it has the type: of these WebGPU has a kernel. */
export const standardQuantization = defineFusion({
  name: 'standard-quantization',
  roots: ['com.microsoft::QuantizeLinear', 'com.microsoft::DequantizeLinear'],
  rewrite(root, graph, context) {
    const { opset } = root.graph.model
    const numbers = root.op === 'QuantizeLinear' ? root.outputs[0] : root.inputs[0]
    const [, scale] = root.inputs
    const type = numbers && context.elementType(numbers)
    if (scale === undefined || type === undefined) return undefined
    if (!types.includes(type) && opset < otherTypes)
      return `before opset ${otherTypes} the standard does not quantise to ${type}`
    const size = context.shape(scale)?.reduce<number>((product, dim) => product * Number(dim), 1)
    if (size !== 1 && opset < scalesForChannels)
      return `before opset ${scalesForChannels} the standard has one scale for all`
    return graph.op(root.op, root.inputs, root.attributes.values(), { like: root })
  },
})
