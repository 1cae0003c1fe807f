import type { Node, Value } from '../../graph/index.ts'
import { int64 } from '../../graph/index.ts'
import { splitInto } from '../canonical/split-into.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/**
 * SequenceAt(SplitToSequence(x), i) → the i-th output of Split(x), with its axis taken away where the sequence has it away; and
 * SequenceAt(SequenceConstruct(a, b, …), i) → the i-th of them. WebGPU has no sequences.
 */
export const sequenceElement = defineFusion({
  name: 'sequence-element',
  roots: ['SequenceAt'],
  rewrite(root, graph, context) {
    const [sequence, position] = root.inputs
    const node = sequence?.producer
    const [index] = (position && context.data(position)) ?? []
    if (context.target === 'onnx' || node === undefined || node.domain !== '') return undefined
    if (typeof index !== 'number') return 'its position is not known'
    if (node.op === 'SequenceConstruct') return node.inputs.at(index)
    if (node.op !== 'SplitToSequence') return undefined
    const [x] = node.inputs
    const sizes = partSizes(node, context)
    if (x === undefined || typeof sizes === 'string') return sizes as string
    const place = index < 0 ? index + sizes.length : index
    const axis = node.int('axis', 0)
    if (root.opset < 13) return 'Split has its sizes as an attribute before opset 13'
    const start = sizes.slice(0, place).reduce((sum, size) => sum + size, 0)
    if (node.inputs[1] === undefined && node.int('keepdims', 1) === 0)
      return graph.op('Gather', [x, int64(start)], { axis }, { like: root })
    return splitInto(graph.before(node), x, axis, sizes)[place]
  },
})

/** How long each part is; a string is the reason why that is not known. */
function partSizes(node: Node, context: FusionContext): number[] | string {
  const [x, split]: readonly (Value | undefined)[] = node.inputs
  const size = x && context.shape(x)?.at(node.int('axis', 0))
  if (typeof size !== 'number') return `the size of the axis is ${size}`
  if (split === undefined) return new Array<number>(size).fill(1)
  const given = context.data(split)
  if (!given?.every((part) => typeof part === 'number')) return `"${split}" is computed, not a constant`
  if (context.shape(split)?.length === 1) return [...given]
  const [part = 0] = given
  return Array.from({ length: Math.ceil(size / part) }, (_, index) => Math.min(part, size - index * part))
}
