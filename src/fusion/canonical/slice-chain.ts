import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { integerOperand, nodeWithIntegers } from './integer-operand.ts'

interface Range {
  readonly start: number
  readonly end: number
  readonly step: number
}

/**
 * Slice(Slice(x)) → Slice(x): ranges along different axes stand side by side; along one axis x[a:b:s][c:d] → x[a + s·c : min(b, a + s·d) : s],
 * where all of them count from the front.
 */
export const sliceChain = defineFusion({
  name: 'slice-chain',
  roots: ['Slice'],
  rewrite(root, graph, context) {
    const [between] = root.inputs
    const first = between?.producer
    const x = first?.inputs[0]
    if (between === undefined || first?.is('Slice') !== true || x === undefined) return undefined
    const rank = context.shape(x)?.length
    const [inner, outer] = [ranges(first, rank, context), ranges(root, rank, context)]
    if (typeof inner === 'string') return inner
    if (typeof outer === 'string') return outer
    const shared = whyShared(between)
    if (shared !== undefined) return shared
    const merged = new Map(inner)
    for (const [axis, range] of outer) {
      const before = inner.get(axis)
      const both = before === undefined ? range : compose(before, range)
      if (both === undefined) return `both cut axis ${axis}, and not both forward from the front`
      merged.set(axis, both)
    }
    const list = [...merged].sort(([a], [b]) => a - b)
    const numbers = {
      starts: list.map(([, { start }]) => start),
      ends: list.map(([, { end }]) => end),
      axes: list.map(([axis]) => axis),
      ...(list.some(([, { step }]) => step !== 1) ? { steps: list.map(([, { step }]) => step) } : {}),
    }
    return nodeWithIntegers(graph, 'Slice', x, numbers, { like: root })
  },
})

/** The range along each axis that a Slice cuts, axes counted from the front; or the reason why they are not known. */
function ranges(slice: Node, rank: number | undefined, context: FusionContext): Map<number, Range> | string {
  const [starts, ends, axes, steps] = ['starts', 'ends', 'axes', 'steps'].map((name, index) =>
    integerOperand(slice, index + 1, name, context),
  )
  if (!Array.isArray(starts) || !Array.isArray(ends) || axes === 'computed' || steps === 'computed') {
    return `the ranges of ${slice} are computed`
  }
  const result = new Map<number, Range>()
  for (const [index, start] of starts.entries()) {
    const axis = typeof axes === 'object' ? (axes[index] ?? 0) : index
    if (axis < 0 && rank === undefined) return `${slice} counts axes from the end of an unknown rank`
    const step = typeof steps === 'object' ? (steps[index] ?? 1) : 1
    result.set(axis < 0 ? axis + (rank ?? 0) : axis, { start, end: ends[index] ?? 0, step })
  }
  return result
}

/** Largest end, for "to the end of the axis"; what lies beyond needs no arithmetic. */
const farEnd = 2 ** 31 - 1

function compose(inner: Range, outer: Range): Range | undefined {
  const forward = [inner, outer].every(({ start, end, step }) => start >= 0 && end >= 0 && step > 0)
  if (!forward) return undefined
  const end = outer.end >= farEnd ? inner.end : Math.min(inner.end, inner.start + inner.step * outer.end)
  return { start: inner.start + inner.step * outer.start, end, step: inner.step * outer.step }
}
