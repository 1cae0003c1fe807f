/** Operators that compute each element from the elements at its place, broadcast to each other. */
import { type ElementType, elementTypeOfCode } from '../../element-type.ts'
import {
  castElement,
  clipElement,
  completeData,
  type ElementFunction,
  elementFunctions,
  elementwiseData,
  remainder,
} from '../data.ts'
import { broadcast, type Call, type Operator, type OperatorTable } from '../operator.ts'

/** Shape and type of the first input. */
export const sameAsFirst: Operator = (call) => {
  const [facts] = call.inputs
  return facts && { elementType: facts.elementType, shape: facts.shape }
}

/** Shape of the first input, another type. */
export const sameShape =
  (elementType: ElementType): Operator =>
  (call) => ({ elementType, shape: call.shape(0) })

/** Its shape is what all inputs broadcast to; its type the first input's, or the one given. */
export const broadcasting =
  (compute?: ElementFunction, elementType?: ElementType): Operator =>
  (call) => {
    const type = elementType ?? commonType(call)
    const shape = shapeOfBroadcast(call)
    return { elementType: type, shape, data: compute && elementwiseData(call, shape, type, compute) }
  }

/** Operators whose inputs are all of one type: whichever is known. */
const commonType = (call: Call): ElementType | undefined =>
  call.inputs.find((facts) => facts?.elementType !== undefined)?.elementType

/** Until opset 6 the second input was broadcast to the first, along an axis of choice. */
function shapeOfBroadcast(call: Call): ReturnType<typeof broadcast> {
  if (call.node.domain === '' && call.opset < 7 && call.inputs.length === 2) return call.shape(0)
  return broadcast(...call.inputs.map((facts) => facts?.shape))
}

const unary =
  (compute: ElementFunction): Operator =>
  (call) => {
    const [facts] = call.inputs
    if (facts === undefined) return undefined
    const { elementType, shape } = facts
    return { elementType, shape, data: elementwiseData(call, shape, elementType, compute) }
  }

/** Its bounds are attributes before opset 11, operands since; either may be left out. */
const clip: Operator = (call) => {
  const same = sameAsFirst(call)
  const isKnown = call.opset < 11 || [1, 2].every((index) => !call.has(index) || call.data(index)?.length === 1)
  const elements = call.data(0)
  if (same === undefined || Array.isArray(same) || !isKnown || elements === undefined) return same
  const attribute = (name: string): number | undefined => call.node.attributes.get(name)?.float
  const [lowest, highest] =
    call.opset < 11 ? [attribute('min'), attribute('max')] : [call.data(1)?.[0], call.data(2)?.[0]]
  return {
    ...same,
    data: completeData(
      elements.map((element) => clipElement(element, lowest, highest)),
      call.elementType(0),
    ),
  }
}

const identity: Operator = (call) => call.inputs[0]

/** The element type that an attribute holds as its TensorProto code; 0 or none is the fallback. */
export const typeAttribute = (call: Call, name: string, fallback?: ElementType): ElementType | undefined =>
  elementTypeOfCode(call.node.int(name, 0)) ?? fallback

const castTo = (call: Call, type: ElementType | undefined): ReturnType<Operator> => {
  const from = call.elementType(0)
  if (type === from) return call.inputs[0]
  const data = type && call.data(0)?.map((element) => castElement(element, from, type))
  return { elementType: type, shape: call.shape(0), data: data && completeData(data, type) }
}

const typeNames: Readonly<Record<string, ElementType>> = {
  FLOAT: 'float32',
  DOUBLE: 'float64',
  FLOAT16: 'float16',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  BOOL: 'bool',
  STRING: 'string',
}

const dropout: Operator = (call) => {
  const [data] = call.inputs
  // A training run drops elements.
  const keeps = call.opset >= 7 && (!call.has(2) || call.number(2) === 0)
  const mask = call.node.domain === '' && call.opset < 10 ? data?.elementType : 'bool'
  return [keeps ? data : sameAsFirst(call), { elementType: mask, shape: data?.shape }].flat()
}

const names = (text: string): string[] => text.trim().split(/\s+/)
const all = (list: string, operator: Operator): OperatorTable =>
  Object.fromEntries(names(list).map((name) => [name, operator]))

export const elementwise: OperatorTable = {
  ...all(
    `Acos Acosh Asin Asinh Atan Atanh BitwiseNot Celu Cos Cosh CumProd CumSum Elu Erf Exp Gelu HardSigmoid HardSwish Hardmax
    LeakyRelu Log LogSoftmax LpNormalization LRN MeanVarianceNormalization Mish ReverseSequence Scatter ScatterElements ScatterND Selu
    Shrink Sigmoid Sin Sinh Softmax Softplus Softsign Swish Tan Tanh TensorScatter ThresholdedRelu Trilu`,
    sameAsFirst,
  ),
  ...all('BitShift BitwiseAnd BitwiseOr BitwiseXor PRelu Mean SwiGLU', broadcasting()),
  ...all('IsInf IsNaN', sameShape('bool')),
  Abs: unary(elementFunctions.Abs),
  Ceil: unary(elementFunctions.Ceil),
  Clip: clip,
  Floor: unary(elementFunctions.Floor),
  Neg: unary(elementFunctions.Neg),
  Not: unary(elementFunctions.Not),
  Reciprocal: unary(elementFunctions.Reciprocal),
  Relu: unary(elementFunctions.Relu),
  Round: unary(elementFunctions.Round),
  Sign: unary(elementFunctions.Sign),
  Sqrt: unary(elementFunctions.Sqrt),
  Add: broadcasting(elementFunctions.Add),
  Sub: broadcasting(elementFunctions.Sub),
  Mul: broadcasting(elementFunctions.Mul),
  Div: broadcasting(elementFunctions.Div),
  Min: broadcasting(elementFunctions.Min),
  Max: broadcasting(elementFunctions.Max),
  Sum: broadcasting(elementFunctions.Sum),
  Mod: (call) => broadcasting(remainder(call.node.int('fmod', 0) === 1))(call),
  // The exponent has a type of its own.
  Pow: (call) => {
    const shape = shapeOfBroadcast(call)
    const elementType = call.elementType(0)
    return { elementType, shape, data: elementwiseData(call, shape, elementType, elementFunctions.Pow) }
  },
  And: broadcasting(elementFunctions.And, 'bool'),
  Or: broadcasting(elementFunctions.Or, 'bool'),
  Xor: broadcasting(elementFunctions.Xor, 'bool'),
  Equal: broadcasting(elementFunctions.Equal, 'bool'),
  Less: broadcasting(elementFunctions.Less, 'bool'),
  Greater: broadcasting(elementFunctions.Greater, 'bool'),
  LessOrEqual: broadcasting(elementFunctions.LessOrEqual, 'bool'),
  GreaterOrEqual: broadcasting(elementFunctions.GreaterOrEqual, 'bool'),
  Where: (call) => {
    const shape = broadcast(call.shape(0), call.shape(1), call.shape(2))
    const elementType = call.elementType(1) ?? call.elementType(2)
    return { elementType, shape, data: elementwiseData(call, shape, elementType, elementFunctions.Where) }
  },
  Cast: (call) => castTo(call, typeAttribute(call, 'to') ?? typeNames[call.node.string('to', '')]),
  CastLike: (call) => castTo(call, call.elementType(1)),
  BitCast: (call) => ({ elementType: typeAttribute(call, 'to'), shape: call.shape(0) }),
  Identity: identity,
  Dropout: dropout,
}
