/** Operators between real numbers and their quantised forms. */
import type { Operator, OperatorTable } from '../operator.ts'
import { typeAttribute } from './elementwise.ts'

/** The type is the zero point's, or the one asked for. */
export const quantizeLinear: Operator = (call) => ({
  elementType: call.has(2) ? call.elementType(2) : typeAttribute(call, 'output_dtype', 'uint8'),
  shape: call.shape(0),
})

/** The type is the scale's, or the one asked for. */
export const dequantizeLinear: Operator = (call) => ({
  elementType: typeAttribute(call, 'output_dtype', call.elementType(1)),
  shape: call.shape(0),
})

/** y, its scale and its zero point. */
const dynamicQuantizeLinear: Operator = (call) => [
  { elementType: 'uint8', shape: call.shape(0) },
  { elementType: 'float32', shape: [] },
  { elementType: 'uint8', shape: [] },
]

export const quantizations: OperatorTable = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
}
