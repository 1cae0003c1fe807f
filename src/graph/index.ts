/** ONNX in memory: bytes in, bytes out, and everything one can ask of a graph. Knows no fusion, no bundler, no browser, no files. */
export { Attribute, type AttributeValue, FloatAttribute, float } from './attribute.ts'
export {
  type BuildOptions,
  buildModel,
  GraphBuilder,
  int64,
  type NodeOptions,
  type Operand,
  tensorType,
} from './builder.ts'
export { clone, copyAttributes } from './clone.ts'
export { type DecodeOptions, decode, newestIrVersion, newestOpset } from './decode.ts'
export { type ElementType, elementTypeOfCode, elementTypes, isFloat, type TypedArray } from './element-type.ts'
export { concatenate, type EncodedModel, type EncodeOptions, encode } from './encode.ts'
export { GraphError, ModelError, type ModelErrorCode, type ModelErrorDetails } from './errors.ts'
export { canReplace, Graph } from './graph.ts'
export { inlineFunctions } from './inline-functions.ts'
export { inlineGraph } from './inline-graph.ts'
export { int32Inputs } from './int32-inputs.ts'
export { lint } from './lint.ts'
export { Model } from './model.ts'
export { Node, type NodeSpec } from './node.ts'
export { print, typeText } from './print.ts'
export {
  type Dim as SymbolicDim,
  dimensionNames,
  Expression,
  equalDims,
  exactDivide,
  type InferShapesOptions,
  inferShapes,
  pinDimensions,
  productOf,
  provablyDifferent,
  type Shapes,
  TensorFacts,
  toDimension,
} from './shapes/index.ts'
export { byteLength, type ExternalDataReader, type ExternalLocation, elementCount, Tensor } from './tensor.ts'
export { type Dimension, type OpaqueType, type TensorType, Value, type ValueType } from './value.ts'
