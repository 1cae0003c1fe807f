import { Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNoKernel } from '../placement/kernel-of-node.ts'

/**
 * ¬c, for c made on the CPU and read there by nothing but Ifs → c = false, which has no WebGPU kernel for truth values and so stays on the
 * CPU; Not has one, and would take c to the GPU and back.
 */
export const notCondition = defineFusion({
  name: 'not-condition',
  roots: ['Not'],
  rewrite(root, graph, context) {
    const [condition] = root.inputs
    const { users } = root.output
    if (context.target === 'onnx' || condition?.producer === undefined || root.output.isOutput || root.opset < 7)
      return undefined
    if (users.size === 0 || ![...users].every((user) => user.is('If') && user.inputs[0] === root.output))
      return undefined
    if (whyNoKernel('webgpu', condition.producer, context) === undefined) return undefined
    return graph.op('Equal', [condition, Tensor.fromNumbers('bool', [], [0])], {}, { like: root })
  },
})
