import { elementTypes, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** Integers that int32 holds all of. */
const narrower: ReadonlySet<string | undefined> = new Set(['int32', 'int16', 'int8', 'uint16', 'uint8', 'bool'])

/** How many values a tensor of positions can have: it holds 0 up to one less. undefined where it is none, or that is not known. */
export function positionCount(value: Value, context: FusionContext): number | undefined {
  const node = value.producer
  const [x] = node?.inputs ?? []
  const isPosition = node?.is('ArgMax') || node?.is('ArgMin') || (node?.is('TopK') && value === node.outputs[1])
  const shape = isPosition && x ? context.shape(x) : undefined
  const axis = node?.int('axis', node.is('TopK') ? -1 : 0) ?? 0
  const count = shape?.at(axis)
  return typeof count === 'number' && count > 0 ? count : undefined
}

/**
 * An int64 tensor as int32 without a Cast from int64, for which WebGPU has no kernel: what it was cast from, or, where it holds positions,
 * the numbers 0, 1, 2, … gathered at them. undefined where neither is so.
 */
export function asInt32(value: Value, graph: GraphBuilder, context: FusionContext): Value | undefined {
  if (context.elementType(value) === 'int32') return value
  if (context.elementType(value) !== 'int64') return undefined
  const [source] = value.producer?.is('Cast') ? value.producer.inputs : []
  if (source !== undefined && narrower.has(context.elementType(source)))
    return context.elementType(source) === 'int32'
      ? source
      : graph.op('Cast', [source], { to: elementTypes.int32.code })
  const count = positionCount(value, context)
  if (count === undefined || graph.graph.model.opset < 11) return undefined
  const bounds = [0, count, 1].map((bound) => Tensor.fromNumbers('int32', [], [bound]))
  return graph.op('Gather', [graph.op('Range', bounds), value], { axis: 0 })
}
