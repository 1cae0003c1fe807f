import { type ElementType, elementTypes, type GraphBuilder, type Node, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { any, either, type Match, node, product, scalar } from '../pattern.ts'
import { missingKernel } from './lowering.ts'
import { numberLike } from './number-like.ts'
import { rangeOf } from './number-range.ts'
import { reduce } from './reduce.ts'

/** The lowest number of a mask in float16, besides −∞: half of what the type has is left for scores. */
const lowestMask = -32768

const types: ReadonlySet<ElementType> = new Set<ElementType>(['float16', 'float32'])

const [scores, mask] = [any(), any()]
const products = node('MatMul', [any(), any()])
const dot = either(product(scalar(), [products]), products)
const masked = node('Add', [dot, mask], { commutative: true })
const softmax = either(node('Softmax', [masked]), node('Softmax', [dot]), node('Softmax', [scores]))
const pattern = node('Where', [node('IsNaN', [softmax]), scalar(0), softmax])

/**
 * Where(IsNaN(P), 0, P) with P = Softmax(S + M), as PyTorch writes attention in which a query may be left without a key → P·a, where a is 0 for
 * rows in which all of M is −∞, else 1, and P is of S + M with 0 in place of M in those rows. It goes behind the MatMul that takes P, so that attention
 * is seen. IsNaN has no WebGPU kernel. Products are taken to be finite; where M is, or there is none, so is P. Where M may take scores in float16 beyond
 * its lowest number, a is of S + M. Left alone where M may hold NaN or +∞, as what a caller gives may.
 */
export const nanSoftmax = defineFusion({
  name: 'nan-softmax',
  pattern,
  conditions: [
    (_match, { target }) => (target === 'onnx' ? 'nothing is lowered within the ONNX standard' : undefined),
    (match, context) => {
      const type = context.elementType(match.root.output)
      if (type === undefined || !types.has(type)) return `the runtime has no kernel for ${type}`
      return missingKernel(['ReduceMax', 'Greater', 'Where', 'Cast', 'Mul'], match.root, type, context)
    },
    (match, context) => {
      const node = match.value(softmax).producer
      const rank = context.shape(match.root.output)?.length
      if (rank === undefined) return `the rank of ${match.root} is not known`
      if (match.numberRank > rank) return `a constant of rank ${match.numberRank} raises its rank`
      const axis = node?.int('axis', node.opset < 13 ? 1 : -1)
      return axis === -1 || axis === rank - 1 ? undefined : `its Softmax is over axis ${axis}, not the last`
    },
    (match, context) => {
      const unknown = [hidingOf(match), match.has(dot) ? match.value(dot) : undefined].find(
        (value) => value !== undefined && rangeOf(value, context) === undefined,
      )
      return unknown && `"${unknown}" may hold NaN or +∞, which take all of a row with them`
    },
  ],
  replace(match, graph, context) {
    const { root } = match
    const before = match.value(softmax).producer
    if (before === undefined) return 'it has no Softmax'
    const [whole] = before.inputs
    const hiding = hidingOf(match)
    if (whole === undefined || hiding === undefined) return match.value(softmax)
    const range = rangeOf(hiding, context)
    const isHalf = context.elementType(root.output) === 'float16'
    const isApart = match.has(masked) && range !== undefined && !(isHalf && range.low < lowestMask)
    if (isApart && !range.hasNegativeInfinity) return match.value(softmax)
    const seen = isApart ? hiding : whole
    const rank = context.shape(seen)?.length
    if (rank === undefined || rank === 0) return `the rank of "${seen}" is ${rank}`
    const { finite, seesAny } = hidingRows(graph, seen, rank, context)
    const bias = isApart ? graph.op('Add', [match.value(dot), finite], {}, { like: match.node(masked) }) : finite
    const weights = graph.op('Softmax', [bias], before.attributes.values(), { like: before })
    return behindMatMul(root, weights, seesAny, graph) ?? graph.op('Mul', [weights, seesAny], {}, { like: root })
  },
})

/** What makes scores −∞; undefined where nothing does. */
const hidingOf = (match: Match): Value | undefined =>
  match.has(masked) ? match.value(mask) : match.has(scores) ? match.value(scores) : undefined

/** What hides scores, with zeros in rows of which nothing is left, and 1 for the rows in which something is left, else 0. */
function hidingRows(
  graph: GraphBuilder,
  hiding: Value,
  rank: number,
  context: FusionContext,
): { finite: Value; seesAny: Value } {
  const type = context.elementType(hiding) ?? 'float32'
  const number = numberLike(hiding, context)
  const most = reduce(graph, 'ReduceMax', hiding, [rank - 1])
  const isLeft = graph.op('Greater', [most, number(Number.NEGATIVE_INFINITY)])
  const finite = graph.op('Where', [isLeft, hiding, number(0)])
  return { finite, seesAny: graph.op('Cast', [isLeft], { to: elementTypes[type].code }) }
}

/** (P·a)·V → (P·V)·a, where nothing else takes P. */
function behindMatMul(root: Node, weights: Value, seesAny: Value, graph: GraphBuilder): Replacement[] | undefined {
  const { output } = root
  const [user] = output.users
  if (output.isOutput || output.users.size !== 1 || user?.is('MatMul') !== true || user.graph !== root.graph)
    return undefined
  const [left, right] = user.inputs
  if (left !== output || right === output) return undefined
  const at = graph.before(user)
  const averages = at.op('MatMul', [weights, right], {}, { like: user })
  return [{ from: user.output, to: at.op('Mul', [averages, seesAny]) }]
}
