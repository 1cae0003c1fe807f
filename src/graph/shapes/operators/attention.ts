/** Attention of the standard (opset 23 and later), and what belongs to it. */
import { add, type Dim, exactDivide, multiply, unknownDim } from '../expression.ts'
import type { Call, Operator, OperatorTable } from '../operator.ts'
import { sameAsFirst } from './elementwise.ts'

/** [batch, sequence, hidden] or [batch, heads, sequence, size] as the latter. */
function headsOf(shape: readonly Dim[] | undefined, heads: number | undefined): readonly Dim[] {
  if (shape?.length === 4) return shape
  const [batch = unknownDim(), sequence = unknownDim(), hidden] = shape ?? []
  const size = hidden !== undefined && heads ? (exactDivide(hidden, heads) ?? unknownDim()) : unknownDim()
  return [batch, heads ?? unknownDim(), sequence, size]
}

/** Sizes along one axis of two tensors, one of which may not be given. */
function along(call: Call, index: number, axis: number, rest: Dim): Dim {
  if (!call.has(index)) return rest
  const past = call.shape(index)?.[axis]
  return past === undefined ? unknownDim() : add(past, rest)
}

const attention: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const rank = call.rank(0)
  const queryHeads = node.int('q_num_heads')
  const keyHeads = node.int('kv_num_heads')
  const [batch = unknownDim(), heads = unknownDim(), sequence = unknownDim()] = headsOf(call.shape(0), queryHeads)
  const [keyBatch = unknownDim(), ofKeys = unknownDim(), keySequence = unknownDim(), size = unknownDim()] = headsOf(
    call.shape(1),
    keyHeads,
  )
  const [, ofValues = unknownDim(), , valueSize = unknownDim()] = headsOf(call.shape(2), keyHeads)
  const total = along(call, 4, 2, keySequence)
  const output =
    rank === 4
      ? [batch, heads, sequence, valueSize]
      : rank === 3
        ? [batch, sequence, multiply(heads, valueSize)]
        : undefined
  return [
    { elementType, shape: output },
    { elementType: call.elementType(1), shape: [keyBatch, ofKeys, total, size] },
    { elementType: call.elementType(2), shape: [keyBatch, ofValues, total, valueSize] },
    { elementType, shape: [batch, heads, sequence, total] },
  ]
}

/** Packed [batch, sequence, heads·size]; the state is [batch, heads, key size, value size]. */
const linearAttention: Operator = (call) => {
  const elementType = call.elementType(0)
  const heads = call.node.int('q_num_heads')
  const keyHeads = call.node.int('kv_num_heads')
  const [batch = unknownDim(), , sequence = unknownDim()] = headsOf(call.shape(0), heads)
  const [, , , keySize = unknownDim()] = headsOf(call.shape(1), keyHeads)
  const [, , , valueSize = unknownDim()] = headsOf(call.shape(2), keyHeads)
  return [
    { elementType, shape: [batch, sequence, heads === undefined ? unknownDim() : multiply(heads, valueSize)] },
    {
      elementType: call.elementType(3) ?? elementType,
      shape: call.shape(3) ?? [batch, keyHeads ?? unknownDim(), keySize, valueSize],
    },
  ]
}

export const attentions: OperatorTable = {
  Attention: attention,
  LinearAttention: linearAttention,
  RotaryEmbedding: sameAsFirst,
}
