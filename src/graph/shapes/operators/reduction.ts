/** Operators that reduce axes to one element. */
import type { ElementType } from '../../element-type.ts'
import { completeData } from '../data.ts'
import { add, type Dim, maximum, minimum, multiply, unknownDim } from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable, withUnknown } from '../operator.ts'
import { type TensorShape, unknownDims } from '../tensor-facts.ts'

/** The axes to reduce: all of them when none are named; undefined when they are not known. */
function axesOf(call: Call, inputSince: number): readonly number[] | 'all' | 'none' | undefined {
  const isInput = call.opset >= inputSince
  const axes = isInput ? (call.has(1) ? call.numbers(1) : []) : (call.node.ints('axes') ?? [])
  if (axes === undefined) return undefined
  if (axes.length > 0) return axes
  return isInput && call.node.int('noop_with_empty_axes', 0) === 1 ? 'none' : 'all'
}

const reduceAxes = (shape: readonly Dim[], axes: ReadonlySet<number>, keepDims: boolean): Dim[] =>
  keepDims ? shape.map((dim, axis) => (axes.has(axis) ? 1 : dim)) : shape.filter((_, axis) => !axes.has(axis))

type Fold = (a: Dim, b: Dim) => Dim

/** `inputSince`: the opset from which the axes are an input. */
const reduction =
  (inputSince: number, fold?: Fold): Operator =>
  (call) => {
    const elementType = call.elementType(0)
    const shape = call.shape(0)
    const keepDims = call.node.int('keepdims', 1) === 1
    const axes = axesOf(call, inputSince)
    if (axes === 'none') return { elementType, shape }
    if (axes === 'all' && !keepDims) return { elementType, shape: [], data: folded(call, elementType, fold) }
    if (shape === undefined) return { elementType, shape: undefined }
    if (axes === undefined) {
      // How many axes there are may be known where the axes are not.
      const [count] = call.shape(1) ?? []
      if (keepDims) return { elementType, shape: withUnknown(shape, new Set(shape.keys())) }
      const rank = typeof count === 'number' && count > 0 ? shape.length - count : undefined
      return { elementType, shape: rank === undefined || rank < 0 ? undefined : unknownDims(rank) }
    }
    const places = axes === 'all' ? [...shape.keys()] : axes.map((axis) => axisOf(axis, shape.length))
    const result = reduceAxes(shape, new Set(places), keepDims)
    const isWhole = new Set(places).size === shape.length
    return { elementType, shape: result, ...(isWhole ? { data: folded(call, elementType, fold) } : {}) }
  }

/** The one element that is left of a small tensor; whole numbers only, whose order of addition does not matter. */
function folded(call: Call, type: ElementType | undefined, fold: Fold | undefined): readonly Dim[] | undefined {
  const data = call.data(0)
  if (fold === undefined || data === undefined || data.length === 0 || (type !== 'int64' && type !== 'int32')) {
    return undefined
  }
  return completeData([data.reduce(fold)], type)
}

/** ArgMax and ArgMin: one axis, indices. */
const argument: Operator = (call) => {
  const shape = call.shape(0)
  const { node } = call
  if (shape === undefined) return { elementType: 'int64', shape: undefined }
  const axis = axisOf(node.int('axis', 0), shape.length)
  return { elementType: 'int64', shape: reduceAxes(shape, new Set([axis]), node.int('keepdims', 1) === 1) }
}

/** The k largest along an axis, and where they stood. */
const topK: Operator = (call) => {
  const { node } = call
  const shape = call.shape(0)
  const k = call.opset < 10 ? node.int('k', 1) : call.scalar(1)
  const axis = shape && axisOf(node.int('axis', -1), shape.length)
  const result = shape?.map((dim, index) => (index === axis ? (k ?? unknownDim()) : dim))
  return [
    { elementType: call.elementType(0), shape: result },
    { elementType: 'int64', shape: result },
  ]
}

/** Losses: one for each label, or one in all. */
const loss: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.node.string('reduction', 'mean') === 'none' ? call.shape(1) : []
  const probabilities: TensorShape = { elementType, shape: call.shape(0) }
  return [{ elementType, shape }, probabilities]
}

export const reductions: OperatorTable = {
  ReduceSum: reduction(13, add),
  ReduceProd: reduction(18, multiply),
  ReduceMax: reduction(18, maximum),
  ReduceMin: reduction(18, minimum),
  ReduceMean: reduction(18),
  ReduceL1: reduction(18),
  ReduceL2: reduction(18),
  ReduceLogSum: reduction(18),
  ReduceLogSumExp: reduction(18),
  ReduceSumSquare: reduction(18),
  ArgMax: argument,
  ArgMin: argument,
  TopK: topK,
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
}
