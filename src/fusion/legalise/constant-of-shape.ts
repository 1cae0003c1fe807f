import { Tensor } from '../../graph/index.ts'
import { defineLowering, missingKernel } from './lowering.ts'

/** ConstantOfShape(s; v) → Expand(v, s): one number on the GPU, in place of a tensor that is filled on the CPU and copied. */
export const lowerConstantOfShape = defineLowering({
  name: 'lower-constant-of-shape',
  op: 'ConstantOfShape',
  form: [],
  lower(root, graph, context) {
    const [shape] = root.inputs
    const value = root.attributes.get('value')?.tensor ?? Tensor.fromNumbers('float32', [1], [0])
    const type = context.elementType(root.output)
    if (shape === undefined || type === undefined) return undefined
    // The session computes what is constant once; integers of 64 bits are on the CPU anyway.
    if (shape.constant !== undefined || type === 'int64') return undefined
    return missingKernel(['Expand'], root, type, context) ?? graph.op('Expand', [value, shape], {}, { like: root })
  },
})
