import { productOf, type Dim as Size } from '../../graph/shapes/index.ts'
import { underShape } from '../canonical/row-major-view.ts'
import type { Dim } from '../context.ts'
import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/**
 * LRN(x) → x · (bias + α·mean x²)^−β, the mean over `size` neighbouring channels: an average pool along the channels, which are made the
 * height of a picture for that. Channels beyond the first and last count as zeros.
 */
export const lowerLrn = defineLowering({
  name: 'lower-lrn',
  op: 'LRN',
  form: ['Mul', 'Reshape', 'AveragePool', 'Add', 'Pow'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const size = root.int('size')
    if (x === undefined || size === undefined) return undefined
    const shape = context.shape(x)
    if (shape === undefined || shape.length < 3) return `the shape of "${x}" is not known`
    const [batch = 1, channels = 1, ...pixels] = shape as readonly Size[]
    if (![channels, ...pixels].every(context.isPositive))
      return 'its image may have no pixels, which a pool does not take'
    const seen: readonly Size[] = [batch, 1, channels, productOf(pixels)]
    const picture = underShape(graph, graph.op('Mul', [x, x]), [shape, seen], context)
    if (picture === undefined) return whyNotSeen(shape)
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)]
    const pool = { kernel_shape: [size, 1], strides: [1, 1], pads: [before, 0, after, 0], count_include_pad: 1 }
    const mean = underShape(graph, graph.op('AveragePool', [picture], pool), [seen, shape], context)
    if (mean === undefined) return whyNotSeen(shape)
    const number = numberLike(x, context)
    const scaled = graph.op('Mul', [mean, number(root.float('alpha', 1e-4))])
    const base = graph.op('Add', [scaled, number(root.float('bias', 1))])
    const factor = graph.op('Pow', [base, number(-root.float('beta', 0.75))])
    return graph.op('Mul', [x, factor], {}, { like: root })
  },
})

const whyNotSeen = (shape: readonly Dim[]): string =>
  `more than one size of [${shape.join(', ')}] is not known, or one beside others that may be 0`
