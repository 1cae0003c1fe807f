import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'

/** The opset since which a reduction takes its axes as an input. */
const axesAsInput = (op: string): number => (op === 'ReduceSum' ? 13 : 18)

/** A reduction over the given axes, which stay as 1, spelled as the opset wants it. */
export const reduce = (graph: GraphBuilder, op: string, x: Value, axes: readonly number[], like?: Node): Value =>
  graph.graph.model.opset < axesAsInput(op)
    ? graph.op(op, [x], { axes, keepdims: 1 }, like ? { like } : {})
    : graph.op(op, [x, int64(axes)], { keepdims: 1 }, like ? { like } : {})
