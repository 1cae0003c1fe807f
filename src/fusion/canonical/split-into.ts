import { type GraphBuilder, int64, type Value } from '../../graph/index.ts'

/** Parts of these sizes along an axis, by a Split spelled as the opset wants it. */
export function splitInto(graph: GraphBuilder, x: Value, axis: number, sizes: readonly number[]): Value[] {
  const asInput = graph.graph.model.opset >= 13
  const inputs = asInput ? [x, int64(sizes)] : [x]
  const attributes = asInput ? { axis } : { axis, split: [...sizes] }
  const { outputs } = graph.node('Split', inputs, attributes, { outputs: sizes.length })
  return outputs.flatMap((output) => (output === undefined ? [] : [output]))
}
