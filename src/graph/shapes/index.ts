/** Symbolic shapes: element types, shapes and the elements of small integer tensors for every value of a model. */
export { dimensionNames } from './dimensions.ts'
export {
  add,
  broadcastDims,
  ceilDivide,
  type Dim,
  Expression,
  equalDims,
  exactDivide,
  floorDivide,
  lowerBound,
  maximum,
  minimum,
  multiply,
  parseDim,
  productOf,
  provablyDifferent,
  substitute,
  subtract,
  symbol,
  symbolsOf,
  upperBound,
} from './expression.ts'
export { type InferShapesOptions, inferShapes, type Shapes, toDimension } from './infer.ts'
export { pinDimensions } from './pin-dimensions.ts'
export { TensorFacts, type TensorShape } from './tensor-facts.ts'
