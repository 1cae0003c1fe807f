import { microsoft } from '../blocks/microsoft.ts'
import { defineLowering } from './lowering.ts'

/** Gelu(x) of the ONNX standard → ONNX Runtime's Gelu, or FastGelu for its form with tanh, in any opset. */
export const lowerGelu = defineLowering({
  name: 'lower-gelu',
  op: 'Gelu',
  form: ['com.microsoft::Gelu', 'com.microsoft::FastGelu'],
  lower(root, graph) {
    const op = root.string('approximate', 'none') === 'tanh' ? 'FastGelu' : 'Gelu'
    return microsoft(graph, root, op, [root.inputs[0]]).output
  },
})
