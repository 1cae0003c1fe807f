import type { GraphBuilder, Node, NodeSpec, Operand } from '../../graph/index.ts'

export const microsoftDomain = 'com.microsoft'

/**
 * Adds an operator of ONNX Runtime's own domain in the place of `like`, and imports that domain.
 * Source: docs/ContribOperators.md of microsoft/onnxruntime.
 */
export function microsoft(
  graph: GraphBuilder,
  like: Node,
  op: string,
  inputs: readonly Operand[],
  attributes: NonNullable<NodeSpec['attributes']> = {},
  outputs: number | readonly (string | undefined)[] = 1,
): Node {
  graph.graph.model.importOpset(microsoftDomain, 1)
  return graph.node(op, inputs, attributes, { domain: microsoftDomain, like, outputs })
}
