import type { Node, Value } from '../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from './context.ts'
import { whyShared } from './pattern.ts'

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
    const isView = producer?.domain === '' && viewOperators.has(producer.op) && producer.inputs[0] !== undefined
    if (!isView) return { source, views }
    if (shared !== undefined) return shared
    views.push(producer)
    source = producer.inputs[0] as Value
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

/** Row-major order keeps an axis whole where its size, and all sizes before it (or all after it), stay as they are. */
function axisAfterReshape(
  before: readonly Dim[] | undefined,
  after: readonly Dim[] | undefined,
  axis: number,
): number | undefined {
  if (before === undefined || after === undefined) return undefined
  const same = (a: readonly Dim[], b: readonly Dim[]): boolean =>
    a.length === b.length && a.every((dim, index) => sameDim(dim, b[index]))
  if (same(before.slice(axis), after.slice(axis))) return axis
  const position = before.length + axis
  const leading = same(before.slice(0, position + 1), after.slice(0, position + 1))
  return leading ? position - after.length : undefined
}
