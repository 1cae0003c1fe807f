import { elementTypes, type Operand, Tensor } from '../../graph/index.ts'
import { defineLowering, missingKernel } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** The largest finite number of float32, which bounds a Clip before opset 11 that names no bound. */
const largest = 3.4028234663852886e38

/**
 * Clip(x) → of uint8, Clip as int32; of floats before opset 11, where its bounds are attributes, min(max(x, low), high). WebGPU's Clip is for 32 bits
 * and from opset 11 on.
 */
export const lowerClip = defineLowering({
  name: 'lower-clip',
  op: 'Clip',
  form: [],
  lower(root, graph, context) {
    const [x, ...bounds] = root.inputs
    const type = x && context.elementType(x)
    if (x === undefined || type === undefined) return undefined
    if (root.opset < 11) {
      const reason = missingKernel(['Max', 'Min'], root, type, context)
      if (reason !== undefined) return reason
      const number = numberLike(x, context)
      const above = graph.op('Max', [x, number(root.float('min', -largest))])
      return graph.op('Min', [above, number(root.float('max', largest))], {}, { like: root })
    }
    if (type !== 'uint8') return undefined
    const reason = missingKernel(['Clip'], root, 'int32', context)
    if (reason !== undefined) return reason
    const widened = [x, ...bounds].map((value): Operand => {
      if (value?.constant !== undefined)
        return Tensor.fromNumbers('int32', value.constant.dims, value.constant.toNumbers())
      return value && graph.op('Cast', [value], { to: elementTypes.int32.code })
    })
    return graph.op('Cast', [graph.op('Clip', widened)], { to: elementTypes.uint8.code }, { like: root })
  },
})
