import { type Node, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** A node of two inputs of which one is constant. */
export interface ConstantOperand {
  readonly data: Value
  readonly constant: Value
  readonly tensor: Tensor
  /** Whether the constant is the second input. */
  readonly onRight: boolean
}

/** The constant operand of an elementwise node; undefined where none is constant, both are, or the opset broadcasts by attributes. */
export function constantOperand(node: Node): ConstantOperand | undefined {
  const [left, right] = node.inputs
  if (left === undefined || right === undefined || node.inputs.length !== 2 || node.opset < 7) return undefined
  if (right.constant !== undefined && left.constant === undefined) {
    return { data: left, constant: right, tensor: right.constant, onRight: true }
  }
  if (left.constant === undefined || right.constant !== undefined) return undefined
  return { data: right, constant: left, tensor: left.constant, onRight: false }
}

/** Whether broadcasting a tensor of these dims to the data leaves the data's shape as it is: neither its rank nor a size may grow. */
export function broadcastsWithin(dims: readonly number[], data: Value, context: FusionContext): boolean {
  if (dims.length === 0) return true
  const shape = context.shape(data)
  if (shape === undefined || dims.length > shape.length) return false
  const offset = shape.length - dims.length
  return dims.every((dim, axis) => dim === 1 || dim === shape[offset + axis])
}

/** Whether every element of a tensor is that number (0 and −0 alike). Looks at no more elements than it must. */
export function isFilledWith(tensor: Tensor, number: number): boolean {
  if (!tensor.hasNumbers || tensor.size === 0) return false
  const [wanted, negativeZero] = Tensor.fromNumbers(tensor.elementType, [2], [number, -number]).toTypedArray()
  const accepted = number === 0 ? new Set([wanted, negativeZero]) : new Set([wanted])
  for (const element of tensor.toTypedArray()) if (!accepted.has(element)) return false
  return true
}
