import { type ElementType, type GraphBuilder, isFloat, type Node, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { broadcastsWithin } from './constant-operand.ts'

/** min(max(x, low), high) */
interface Clamp {
  readonly data: Value
  readonly low: number
  readonly high: number
}

/** The largest number of a type: a Clip without bounds clips to it, which ∞ notices. Whole numbers only as far as they are exact. */
const largest: Readonly<Partial<Record<ElementType, number>>> = {
  float16: 65504,
  bfloat16: (2 - 2 ** -7) * 2 ** 127,
  float32: (2 - 2 ** -23) * 2 ** 127,
  float64: Number.MAX_VALUE,
  int32: 2 ** 31 - 1,
  int8: 127,
}

const lowest = (type: ElementType): number => (isFloat(type) ? -(largest[type] ?? 0) : -(largest[type] ?? 0) - 1)

/**
 * Relu, Clip, Max(·, c) and Min(·, c) in a row are one: min(max(min(max(x, a), b), c), d) → min(max(x, l), h) with l = min(max(a, c), d) and
 * h = min(max(b, c), d). NaN passes through all of them. Written as Relu, Max, Min or Clip, whichever has those bounds exactly.
 */
export const clipChain = defineFusion({
  name: 'clip-chain',
  roots: ['Relu', 'Clip', 'Max', 'Min'],
  rewrite(root, graph, context) {
    const outer = clamp(root, context)
    if (outer === undefined || typeof outer === 'string') return outer
    const type = context.elementType(root.output) ?? context.elementType(outer.data)
    if (type === undefined || largest[type] === undefined) return undefined
    const first = outer.data.producer
    const inner = first && clamp(first, context)
    if (typeof inner === 'object' && first !== undefined) {
      const shared = whyShared(outer.data)
      if (shared !== undefined) return shared
      // Bounds in the wrong order give the upper one.
      const innerLow = Math.min(inner.low, inner.high)
      const outerLow = Math.min(outer.low, outer.high)
      const through = (number: number): number => Math.min(Math.max(number, outerLow), outer.high)
      const merged = { data: inner.data, low: through(innerLow), high: through(inner.high) }
      // What had to be taken apart, since WebGPU has no Clip of these opsets.
      const isLowered = root.opset < 11 && !root.is('Clip') && !first.is('Clip') && isBounded(merged)
      const result = isLowered ? undefined : emit(merged, type, root, graph)
      return result ?? 'no operator of this opset has the bounds of both'
    }
    const isRelu = outer.low === 0 && outer.high === Number.POSITIVE_INFINITY && isFloat(type)
    return isRelu && !root.is('Relu') ? emit(outer, type, root, graph) : undefined
  },
})

const isBounded = ({ low, high }: Clamp): boolean => Number.isFinite(low) && Number.isFinite(high)

/** A node as a clamp of its data; the reason when a bound is computed, undefined for other operators. */
function clamp(node: Node, context: FusionContext): Clamp | string | undefined {
  const [data] = node.inputs
  if (data === undefined || node.domain !== '') return undefined
  if (node.op === 'Relu') return { data, low: 0, high: Number.POSITIVE_INFINITY }
  if (node.op === 'Clip') return clip(node, data, context)
  if ((node.op !== 'Max' && node.op !== 'Min') || node.inputs.length !== 2 || node.opset < 8) return undefined
  const [left, right] = node.inputs
  const constant = right?.constant === undefined ? left : right
  const rest = constant === right ? left : right
  const bound = constant?.constant?.scalar
  if (constant?.constant === undefined || rest === undefined || bound === undefined || Number.isNaN(bound))
    return undefined
  if (!broadcastsWithin(constant.constant.dims, rest, context)) return undefined
  return node.op === 'Max'
    ? { data: rest, low: bound, high: Number.POSITIVE_INFINITY }
    : { data: rest, low: Number.NEGATIVE_INFINITY, high: bound }
}

function clip(node: Node, data: Value, context: FusionContext): Clamp | string | undefined {
  const type = context.elementType(data) ?? context.elementType(node.output)
  if (type === undefined || largest[type] === undefined) return undefined
  const defaults = { low: lowest(type), high: largest[type] }
  if (node.opset < 11) {
    return { data, low: node.float('min', defaults.low), high: node.float('max', defaults.high) }
  }
  const [, low, high] = node.inputs
  for (const bound of [low, high]) {
    if (bound !== undefined && bound.constant === undefined) return `the bound "${bound}" of ${node} is computed`
  }
  const bounds = {
    low: low === undefined ? defaults.low : (low.constant?.scalar ?? Number.NaN),
    high: high === undefined ? defaults.high : (high.constant?.scalar ?? Number.NaN),
  }
  return Number.isNaN(bounds.low) || Number.isNaN(bounds.high) ? undefined : { data, ...bounds }
}

/** The operator with exactly these bounds; undefined where the opset has none. */
function emit({ data, low, high }: Clamp, type: ElementType, root: Node, graph: GraphBuilder): Value | undefined {
  const bound = (number: number): Tensor => Tensor.fromNumbers(type, [], [number])
  const options = { like: root }
  if (low === 0 && high === Number.POSITIVE_INFINITY && isFloat(type)) return graph.op('Relu', [data], {}, options)
  if (root.opset < 11) return isFloat(type) ? graph.op('Clip', [data], { min: low, max: high }, options) : undefined
  if (high === Number.POSITIVE_INFINITY) return graph.op('Max', [data, bound(low)], {}, options)
  if (low === Number.NEGATIVE_INFINITY) return graph.op('Min', [data, bound(high)], {}, options)
  const bounds = high === largest[type] ? [bound(low)] : [low === lowest(type) ? undefined : bound(low), bound(high)]
  return graph.op('Clip', [data, ...bounds], {}, options)
}
