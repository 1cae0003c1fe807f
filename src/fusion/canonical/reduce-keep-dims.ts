import { Attribute, type Node } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { integerOperand } from './integer-operand.ts'

/** Views that may put the axes back. */
const views = ['Reshape', 'Unsqueeze']

/** Unsqueeze(Reduce(x, keepdims = 0)) → Reduce(x, keepdims = 1), for every reduction, and a Reshape that does the same. */
export const reduceKeepDims = defineFusion({
  name: 'reduce-keep-dims',
  roots: views,
  rewrite(root, graph, context) {
    const [reduced] = root.inputs
    const reduce = reduced?.producer
    if (reduced === undefined || reduce?.domain !== '' || !isReduction(reduce)) return undefined
    if (reduce.int('keepdims', 1) !== 0) return undefined
    const kept = keptShape(reduce, context)
    if (kept === undefined || !sameShape(kept, context.shape(root.output))) return undefined
    const attributes = [...reduce.attributes.values()].filter(({ name }) => name !== 'keepdims')
    return (
      whyShared(reduced) ??
      graph.op(reduce.op, reduce.inputs, [...attributes, Attribute.of('keepdims', 1)], { like: reduce })
    )
  },
})

const isReduction = ({ op }: Node): boolean => op.startsWith('Reduce') || op === 'ArgMax' || op === 'ArgMin'

/** The shape of its result with 1 for each axis that it reduces. */
function keptShape(reduce: Node, context: FusionContext): readonly Dim[] | undefined {
  const [x] = reduce.inputs
  const shape = x && context.shape(x)
  if (shape === undefined) return undefined
  const given = reduce.op.startsWith('Arg') ? [reduce.int('axis', 0)] : integerOperand(reduce, 1, 'axes', context)
  if (given === 'computed') return undefined
  const axes = given === 'absent' ? [] : given
  if (axes.length === 0 && reduce.int('noop_with_empty_axes', 0) !== 0) return shape
  const wanted = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)))
  return shape.map((dim, axis) => (wanted.size === 0 || wanted.has(axis) ? 1 : dim))
}
