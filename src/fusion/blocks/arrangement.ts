import {
  Expression,
  exactDivide,
  type GraphBuilder,
  type Node,
  productOf,
  type SymbolicDim,
  type Value,
} from '../../graph/index.ts'
import { underShape } from '../canonical/row-major-view.ts'
import { type Dim, type FusionContext, sameDim, sameShape } from '../context.ts'

/** A factor of an axis, which views move about as a whole. */
export interface Part {
  readonly size: SymbolicDim
}

/** An axis as the product of its parts, the outermost first; an axis of size 1 has none. */
export type Axis = readonly Part[]

/**
 * A value as a rearrangement of another: views (Reshape, Transpose, Squeeze, Unsqueeze) between the two only split axes into parts, permute
 * the parts and merge them again. What exporters write as a chain of six views is one arrangement.
 */
export interface Arrangement {
  readonly source: Value
  /** The axes of the source, split as far as the views split them. */
  readonly from: readonly Axis[]
  /** The axes of the value, made of the same parts. */
  readonly to: readonly Axis[]
}

const views = new Set(['Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity'])

/** What a node on the way multiplies by, when it is a view or a scaling by one number; undefined for other nodes. */
function factorOf(node: Node, value: Value, context: FusionContext): number | undefined {
  if (node.domain !== '' || node.outputs[0] !== value) return undefined
  if (views.has(node.op)) return 1
  if (node.op !== 'Mul' && node.op !== 'Div') return undefined
  const [left, right] = node.inputs
  const constant = right?.constant ?? (node.op === 'Mul' ? left?.constant : undefined)
  const number = constant?.scalar
  const rank = context.shape(value)?.length
  if (constant === undefined || number === undefined || rank === undefined || constant.dims.length > rank)
    return undefined
  return node.op === 'Mul' ? number : 1 / number
}

/** An arrangement of a source, times a number. */
export interface ScaledArrangement extends Arrangement {
  readonly scale: number
}

/**
 * The ways to see a value as a rearrangement of another, times a number: of the one furthest up first, of itself last. Empty where its rank
 * is not known.
 */
export function arrangementsOf(value: Value, context: FusionContext): ScaledArrangement[] {
  const chain: { node: Node; source: Value; factor: number }[] = []
  for (let at = value; at.producer !== undefined; ) {
    const node: Node = at.producer
    const factor = factorOf(node, at, context)
    const source = node.inputs.find(
      (input) => input !== undefined && (views.has(node.op) || input.constant === undefined),
    )
    if (factor === undefined || source === undefined) break
    chain.unshift({ node, source, factor })
    at = source
  }
  const found: ScaledArrangement[] = []
  for (let start = 0; start <= chain.length; start++) {
    const rest = chain.slice(start)
    // What a view does may not be known: then only what lies below it counts.
    const viewed = rest.flatMap(({ node }) => (views.has(node.op) ? [node] : []))
    const arrangement = follow(rest[0]?.source ?? value, viewed, context)
    const scale = rest.reduce((product, { factor }) => product * factor, 1)
    if (arrangement !== undefined) found.push({ ...arrangement, scale })
  }
  return found
}

/** Follows views from a source down; undefined where one tears the parts in a way that is not known. */
export function follow(source: Value, chain: readonly Node[], context: FusionContext): Arrangement | undefined {
  const shape = knownSizes(source, context)
  if (shape === undefined) return undefined
  let from: readonly Axis[] = shape.map((size) => (size === 1 ? [] : [{ size }]))
  let to = from
  for (const view of chain) {
    if (view.domain !== '' || !views.has(view.op)) return undefined
    if (view.op === 'Identity') continue
    if (view.op === 'Transpose') {
      const perm = view.ints('perm') ?? to.map((_, axis) => to.length - 1 - axis)
      to = perm.map((axis) => to[axis] ?? [])
      continue
    }
    const after = knownSizes(view.output, context)
    const regrouped = after && regroup(to.flat(), after)
    if (regrouped === undefined) return undefined
    const { axes, split } = regrouped
    from = from.map((axis) => axis.flatMap((part) => split.get(part) ?? [part]))
    to = axes
  }
  return { source, from, to }
}

/** Deals parts out to axes of given sizes, in order, splitting those that are too large. */
function regroup(
  parts: readonly Part[],
  sizes: readonly SymbolicDim[],
): { axes: Axis[]; split: Map<Part, readonly Part[]> } | undefined {
  const rest = [...parts]
  const split = new Map<Part, Part[]>()
  const origin = new Map<Part, Part>()
  const axes: Part[][] = []
  for (const size of sizes) {
    const axis: Part[] = []
    let left: SymbolicDim = size
    while (left !== 1) {
      const part = rest.shift()
      if (part === undefined) return undefined
      const remainder = quotient(left, part.size)
      if (remainder !== undefined) {
        axis.push(part)
        left = remainder
        continue
      }
      const inner = quotient(part.size, left)
      if (inner === undefined) return undefined
      const halves: [Part, Part] = [{ size: left }, { size: inner }]
      const root = origin.get(part) ?? part
      split.set(
        root,
        (split.get(root) ?? [root]).flatMap((one) => (one === part ? halves : [one])),
      )
      for (const half of halves) origin.set(half, root)
      axis.push(halves[0])
      rest.unshift(halves[1])
      left = 1
    }
    axes.push(axis)
  }
  return rest.length === 0 ? { axes, split } : undefined
}

const quotient = (a: SymbolicDim, b: SymbolicDim): SymbolicDim | undefined => (sameDim(a, b) ? 1 : exactDivide(a, b))

/** The sizes of a value, with which one can calculate. */
function knownSizes(value: Value, context: FusionContext): readonly SymbolicDim[] | undefined {
  const shape = context.shape(value)
  const known = (dim: Dim): dim is SymbolicDim => typeof dim === 'number' || dim instanceof Expression
  return shape?.every(known) ? shape : undefined
}

const sameParts = (a: readonly Part[], b: readonly Part[]): boolean =>
  a.length === b.length && a.every((part, index) => part === b[index])

/** Whether an arrangement into other axes leaves the elements in their order in memory: it then takes no Transpose. */
export const keepsOrder = ({ from }: Arrangement, axes: readonly Axis[]): boolean => sameParts(from.flat(), axes.flat())

/**
 * Arranges the source into other axes made of its parts: with a Transpose if parts move, between Reshapes if they have to be split and merged.
 * undefined where a shape cannot be written as a constant.
 */
export function arrange(
  graph: GraphBuilder,
  { source, from }: Arrangement,
  axes: readonly Axis[],
  context: Pick<FusionContext, 'isPositive'>,
): Value | undefined {
  const wanted = axes.flat()
  if (sameParts(from.flat(), wanted)) return reshaped(graph, source, from, axes, context)
  const isWhole = from.every((axis) => {
    const start = axis[0] === undefined ? 0 : wanted.indexOf(axis[0])
    return sameParts(axis, wanted.slice(start, start + axis.length))
  })
  const current = isWhole ? from : from.flatMap((axis) => axis.map((part) => [part]))
  const split = reshaped(graph, source, from, current, context)
  if (split === undefined) return undefined
  const full = wanted.flatMap((part) => {
    const axis = current.findIndex(([first]) => first === part)
    return axis === -1 ? [] : [axis]
  })
  const perm = placed(full, current, axes)
  const moved = graph.op('Transpose', [split], { perm })
  return reshaped(
    graph,
    moved,
    perm.map((axis) => current[axis] ?? []),
    axes,
    context,
  )
}

/** How many nodes `arrange` adds, at most. */
export const nodesToArrange = (arrangement: Arrangement, axes: readonly Axis[]): number =>
  keepsOrder(arrangement, axes) ? Number(!sameShape(sizesOf(arrangement.from), sizesOf(axes))) : 2

function reshaped(
  graph: GraphBuilder,
  value: Value,
  from: readonly Axis[],
  to: readonly Axis[],
  context: Pick<FusionContext, 'isPositive'>,
): Value | undefined {
  const [before, after] = [sizesOf(from), sizesOf(to)]
  if (sameShape(before, after)) return value
  return underShape(graph, value, [before, after], context)
}

/** A permutation that moves full axes as given, and axes of size 1 to where the result wants them: that may save the Reshape. */
function placed(full: readonly number[], from: readonly Axis[], axes: readonly Axis[]): number[] {
  const empty = from.flatMap((axis, index) => (axis.length === 0 ? [index] : []))
  const rest = [...full]
  const wantedEmpty = axes.filter((axis) => axis.length === 0).length
  const fits = axes.length === from.length && wantedEmpty === empty.length
  return fits ? axes.map((axis) => (axis.length === 0 ? empty.shift() : rest.shift()) ?? 0) : [...empty, ...full]
}

/** The product of an axis's parts. */
export const sizeOf = (axis: Axis): SymbolicDim => productOf(axis.map(({ size }) => size))

export const sizesOf = (axes: readonly Axis[]): SymbolicDim[] => axes.map(sizeOf)
