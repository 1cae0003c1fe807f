import type { GraphBuilder, Node, NodeOptions, Value } from '../../graph/index.ts'
import { int64 } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** The opset since which an operator takes its whole numbers (axes, pads, shape …) as inputs instead of attributes. */
const inputsSince: Readonly<Record<string, number>> = { Reshape: 5, Slice: 10, Pad: 11, Squeeze: 13, Unsqueeze: 13 }

/** Whole numbers an operator takes, as an attribute or as an input: 'absent' when they are left out, 'computed' when they differ from run to run. */
export function integerOperand(
  node: Node,
  index: number,
  attribute: string,
  context: FusionContext,
): readonly number[] | 'absent' | 'computed' {
  const input = node.inputs[index]
  if (input === undefined) return node.ints(attribute) ?? 'absent'
  const data = context.data(input)
  return data?.every((element) => typeof element === 'number') ? data : 'computed'
}

/** A node that takes such numbers, spelled as the model's opset wants it. The numbers stand in the order of the operator's inputs. */
export function nodeWithIntegers(
  graph: GraphBuilder,
  op: string,
  data: Value,
  numbers: Readonly<Record<string, readonly number[]>>,
  options: NodeOptions = {},
): Value {
  if (graph.graph.model.opset < (inputsSince[op] ?? 0)) return graph.op(op, [data], numbers, options)
  return graph.op(op, [data, ...Object.values(numbers).map((list) => int64(list.map(safe)))], {}, options)
}

/** "To the end" is written as the largest int64, which no JavaScript number is. */
const safe = (number: number): number => Math.max(Math.min(number, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER)
