import { Expression, exactDivide, type SymbolicDim } from '../../graph/index.ts'
import { type Dim, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/**
 * Resize(x, sizes: computed) → Resize(x, scales: constant), where each size is that of x or a whole multiple of it. Whole scales place
 * pixels as the sizes did, and the nodes that computed the sizes go with their last user.
 */
export const resizeScales = defineFusion({
  name: 'resize-scales',
  roots: ['Resize'],
  rewrite(root, graph, context) {
    const [x, region, , sizes] = root.inputs
    if (x === undefined || sizes === undefined || sizes.constant !== undefined) return undefined
    if (root.ints('axes') !== undefined || root.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
      return undefined
    if (root.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize') return undefined
    const [from, to] = [context.shape(x), context.shape(root.output)]
    if (from === undefined || to === undefined) return undefined
    const scales = to.map((size, axis) => factor(from[axis], size))
    const known = scales.filter((scale) => scale !== undefined)
    if (known.length < scales.length) return `[${from.join(', ')}] to [${to.join(', ')}] is not by whole factors`
    return graph.op('Resize', [x, region, graph.constant(known)], [...root.attributes.values()], { like: root })
  },
})

/** The whole number by which a size is multiplied. */
function factor(from: Dim | undefined, to: Dim): number | undefined {
  if (sameDim(from, to)) return 1
  if (!isSize(from) || !isSize(to)) return undefined
  const quotient = exactDivide(to, from)
  return typeof quotient === 'number' && quotient >= 1 ? quotient : undefined
}

const isSize = (dim: Dim | undefined): dim is SymbolicDim => typeof dim === 'number' || dim instanceof Expression
