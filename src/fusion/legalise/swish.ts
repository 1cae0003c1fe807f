import { microsoft } from '../blocks/microsoft.ts'
import { defineLowering } from './lowering.ts'

/** Swish(x; α) = x·σ(αx) → QuickGelu(x; α), ONNX Runtime's name for it. */
export const lowerSwish = defineLowering({
  name: 'lower-swish',
  op: 'Swish',
  form: ['com.microsoft::QuickGelu'],
  lower: (root, graph) =>
    microsoft(graph, root, 'QuickGelu', [root.inputs[0]], { alpha: root.float('alpha', 1) }).output,
})
