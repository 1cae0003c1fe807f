import type { Node, Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import { whyShared } from '../pattern.ts'

/** Operators that give the same numbers in the same order or another, and compute nothing. */
const viewOperators = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'])

/** The views between a value and what computed it: nearest to the value first. */
export interface ViewChain {
  readonly source: Value
  readonly views: readonly Node[]
}

/** Walks from a value back through the views that only it uses; the reason when a view on the way has other users. */
export function throughViews(value: Value): ViewChain | string {
  const views: Node[] = []
  let source = value
  for (;;) {
    const shared = whyShared(source)
    const { producer } = source
    const viewed = producer?.domain === '' && viewOperators.has(producer.op) ? producer.inputs[0] : undefined
    if (producer === undefined || viewed === undefined) return { source, views }
    if (shared !== undefined) return shared
    views.push(producer)
    source = viewed
  }
}

/**
 * Where an axis of the chain's source lies in its last view, counted from the end, as are both; undefined when a reshape tears it up, or when
 * too little is known of the shapes.
 */
export function axisAfterViews({ source, views }: ViewChain, axis: number, context: FusionContext): number | undefined {
  let current: number | undefined = axis
  let value = source
  for (const view of views.toReversed()) {
    if (current === undefined) return undefined
    current = axisAfterView(view, value, current, context)
    value = view.output
  }
  return current
}

/** The axis of the chain's source which becomes an axis of its last view, both counted from the end; undefined as above. */
export function axisBeforeViews(chain: ViewChain, axis: number, context: FusionContext): number | undefined {
  if (chain.views.length === 0) return axis
  const rank = context.shape(chain.source)?.length ?? 0
  const axes = Array.from({ length: rank }, (_, index) => -1 - index)
  return axes.find((candidate) => axisAfterViews(chain, candidate, context) === axis)
}

function axisAfterView(view: Node, before: Value, axis: number, context: FusionContext): number | undefined {
  if (view.op === 'Transpose') {
    const rank = view.ints('perm')?.length ?? context.shape(before)?.length
    if (rank === undefined) return undefined
    const perm = view.ints('perm') ?? Array.from({ length: rank }, (_, index) => rank - 1 - index)
    const position = perm.indexOf(axis + rank)
    return position === -1 ? undefined : position - rank
  }
  return axisAfterReshape(context.shape(before), context.shape(view.output), axis)
}

/** Row-major order keeps an axis whole where it has the same size, and as many elements lie before it, or behind it, as did. */
function axisAfterReshape(
  before: readonly Dim[] | undefined,
  after: readonly Dim[] | undefined,
  axis: number,
): number | undefined {
  if (before === undefined || after === undefined) return undefined
  const position = before.length + axis
  const [leading, trailing] = [count(before.slice(0, position)), count(before.slice(position + 1))]
  const found = after.findIndex(
    (dim, index) =>
      sameDim(dim, before[position]) &&
      (count(after.slice(0, index)) === leading || count(after.slice(index + 1)) === trailing),
  )
  return found === -1 ? undefined : found - after.length
}

/** How many elements dims span, as a text: the product of the numbers and the symbols next to it. */
function count(dims: readonly Dim[]): string {
  const numbers = dims.filter((dim) => typeof dim === 'number')
  const symbols = dims.filter((dim) => typeof dim !== 'number').map(String)
  return `${numbers.reduce((product, dim) => product * dim, 1)}·${symbols.sort().join('·')}`
}
