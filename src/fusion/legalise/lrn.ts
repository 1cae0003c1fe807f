import { int64, type Value } from '../../graph/index.ts'
import type { Dim, FusionContext } from '../context.ts'
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
    const back = viewOf(x, context)
    if (typeof back === 'string') return back
    const number = numberLike(x, context)
    const [channels = 0] = back.slice(1)
    const picture = graph.op('Reshape', [graph.op('Mul', [x, x]), int64([0, 1, channels, -1])])
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)]
    const pool = { kernel_shape: [size, 1], strides: [1, 1], pads: [before, 0, after, 0], count_include_pad: 1 }
    const mean = graph.op('Reshape', [graph.op('AveragePool', [picture], pool), int64(back)])
    const scaled = graph.op('Mul', [mean, number(root.float('alpha', 1e-4))])
    const base = graph.op('Add', [scaled, number(root.float('bias', 1))])
    const factor = graph.op('Pow', [base, number(-root.float('beta', 0.75))])
    return graph.op('Mul', [x, factor], {}, { like: root })
  },
})

/** What to Reshape to in order to come back from [N, 1, C, rest]: at most one size but the batch may be unknown, and not the channels. */
function viewOf(x: Value, context: FusionContext): number[] | string {
  const shape = context.shape(x)
  if (shape === undefined || shape.length < 3) return `the shape of "${x}" is not known`
  const dims = shape.map((dim: Dim, axis) => (axis === 0 ? 0 : typeof dim === 'number' ? dim : -1))
  if (dims[1] === -1 || dims.filter((dim) => dim === -1).length > 1 || dims.slice(1).includes(0)) {
    return `more than one size of [${shape.join(', ')}] is not known`
  }
  return dims
}
