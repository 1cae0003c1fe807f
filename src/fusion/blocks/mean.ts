import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { constant, type NodePattern, node, optional, type ValuePattern } from '../pattern.ts'

/** The mean over some axes: ReduceMean, whose axes are an attribute before opset 18 and an input from there; GlobalAveragePool. */
export const meanOf = (x: ValuePattern): NodePattern =>
  node(['ReduceMean', 'GlobalAveragePool'], [x, optional(constant())])

/** The axes a mean is over, ascending and from 0; the reason when they are not known, or do not stay in the result as 1. */
export function meanAxes(mean: Node, context: FusionContext): readonly number[] | string {
  const [x, operand] = mean.inputs
  const rank = x && context.shape(x)?.length
  if (rank === undefined) return `the rank of "${x}" is not known`
  if (mean.op === 'GlobalAveragePool') return Array.from({ length: rank - 2 }, (_, index) => index + 2)
  if (mean.int('keepdims', 1) !== 1) return `${mean} does not keep the axes it reduces`
  const axes = operand?.constant ? Array.from(operand.constant.toNumbers()) : (mean.ints('axes') ?? [])
  if (axes.length === 0 && mean.int('noop_with_empty_axes', 0) !== 0) return `${mean} reduces nothing`
  const all = Array.from({ length: rank }, (_, axis) => axis)
  const wanted = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)))
  return wanted.size === 0 ? all : all.filter((axis) => wanted.has(axis))
}
