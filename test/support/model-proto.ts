import { onnx } from '../../src/graph/proto/onnx.js'

export type GraphProto = onnx.GraphProto.$Properties
export type ModelProto = onnx.ModelProto.$Properties
export type NodeProto = onnx.NodeProto.$Properties
export type TensorProto = onnx.TensorProto.$Properties
export type FunctionProto = onnx.FunctionProto.$Properties

/** A model's bytes, written field by field: for what the builder would not write. */
export const modelBytes = (graph: GraphProto, model: ModelProto = {}): Uint8Array =>
  onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    ...model,
    graph: { name: 'graph', ...graph },
  }).finish()

/** float32 tensors, the shape left open. */
export const values = (...names: string[]): onnx.ValueInfoProto.$Properties[] =>
  names.map((name) => ({ name, type: { tensorType: { elemType: 1 } } }))

/** `Relu(x) → y` in short. */
export const nodeProto = (opType: string, input: string[], output: string[], rest: NodeProto = {}): NodeProto => ({
  opType,
  input,
  output,
  ...rest,
})

export const floats = (name: string, dims: number[], floatData: number[]): TensorProto => ({
  name,
  dims,
  dataType: 1,
  floatData,
})
