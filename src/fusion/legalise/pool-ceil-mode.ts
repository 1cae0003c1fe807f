import { Attribute, type Node } from '../../graph/index.ts'
import type { Dim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/** The opset since which a pool that rounds up has no window that lies in the padding alone. */
const corrected = 22

/**
 * MaxPool and AveragePool of opset 22 that round their size up → with as much more padding at the end as the last windows reach beyond. Those
 * elements never count, so it is the same; and what does not round up means the same in every opset, so that the model may be read as an
 * older one, in which MaxPool has a kernel.
 */
export const poolCeilMode = defineFusion({
  name: 'pool-ceil-mode',
  roots: ['MaxPool', 'AveragePool'],
  rewrite(root, graph, context) {
    const [x] = root.inputs
    if (context.target === 'onnx' || root.opset < corrected || root.int('ceil_mode', 0) !== 1) return undefined
    const sizes = x && context.shape(x)?.slice(2)
    const kernel = root.ints('kernel_shape')
    if (x === undefined || sizes === undefined || kernel === undefined) return `the rank of "${x}" is not known`
    if (root.outputs[1] !== undefined) return 'it outputs positions'
    if (root.string('auto_pad', 'NOTSET') !== 'NOTSET') return `its auto_pad is ${root.string('auto_pad', '')}`
    const ends = sizes.map((size, axis) => endPadding(root, size, kernel, axis))
    const unknown = ends.find((end) => typeof end === 'string')
    if (unknown !== undefined) return unknown
    const old = root.ints('pads') ?? new Array<number>(2 * kernel.length).fill(0)
    const pads = [...old.slice(0, kernel.length), ...ends.map(Number)]
    const counts = root.op === 'AveragePool' && root.int('count_include_pad', 0) !== 0
    if (counts && String(pads) !== String(old)) return 'it counts padding, but not what lies beyond it'
    const rest = [...root.attributes.values()].filter(({ name }) => name !== 'ceil_mode' && name !== 'pads')
    return graph.op(root.op, [x], [...rest, Attribute.of('pads', pads)], { like: root })
  },
})

/** The padding at the end with which rounding down gives the same size; the reason where there is none. */
function endPadding(root: Node, size: Dim, kernel: readonly number[], axis: number): number | string {
  if (typeof size !== 'number') return `the size of axis ${axis + 2} is not known`
  const [extent = 1, stride = 1, dilation = 1] = [kernel, root.ints('strides'), root.ints('dilations')].map(
    (list) => list?.[axis],
  )
  const pads = root.ints('pads')
  const [begin = 0, end = 0] = [pads?.[axis], pads?.[axis + kernel.length]]
  const reach = (extent - 1) * dilation + 1
  const steps = (size + begin + end - reach) / stride
  const last = Math.ceil(steps) * stride < size + begin ? Math.ceil(steps) : Math.ceil(steps) - 1
  if (last <= Math.floor(steps)) return end
  const wanted = last * stride + reach - size - begin
  return wanted < extent ? wanted : `it would need ${wanted} of padding for a kernel of ${extent}`
}
