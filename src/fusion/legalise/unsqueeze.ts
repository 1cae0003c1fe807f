import { type GraphBuilder, int64, type Operand, type Value } from '../../graph/index.ts'

/** Axes of size 1 put in, spelled as the opset wants it. */
export const unsqueeze = (graph: GraphBuilder, x: Operand, axes: readonly number[]): Value =>
  graph.graph.model.opset < 13 ? graph.op('Unsqueeze', [x], { axes }) : graph.op('Unsqueeze', [x, int64(axes)])
