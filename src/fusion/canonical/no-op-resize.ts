import { sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/** Ways to place the output's pixels that do not put each on its own when nothing is scaled. */
const shifting = new Set(['tf_crop_and_resize', 'tf_half_pixel_for_nn'])

/** Resize(x), Upsample(x) → x, where all scales are 1 or the sizes are those of x. */
export const noOpResize = defineFusion({
  name: 'no-op-resize',
  roots: ['Resize', 'Upsample'],
  rewrite(root, _graph, context) {
    const [x, ...operands] = root.inputs
    if (x === undefined || shifting.has(root.string('coordinate_transformation_mode', 'half_pixel'))) return undefined
    // Resize takes the scales last but one since opset 11, Resize and Upsample in second place before; Upsample had an attribute first.
    const isNew = root.op === 'Resize' && root.opset >= 11
    const scales = operands[isNew ? 1 : 0]
    const sizes = isNew ? operands[2] : undefined
    if (sizes !== undefined) return sameShape(context.shape(x), context.shape(root.output)) ? x : undefined
    const numbers = scales === undefined ? root.attributes.get('scales')?.floats : context.data(scales)
    return numbers !== undefined && numbers.length > 0 && numbers.every((scale) => scale === 1) ? x : undefined
  },
})
