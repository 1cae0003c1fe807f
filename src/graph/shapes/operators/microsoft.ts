/** Operators of ONNX Runtime's own domain, `com.microsoft` (onnxruntime/docs/ContribOperators.md). */
import type { ElementType } from '../../element-type.ts'
import { add, type Dim, exactDivide, floorDivide, maximum, multiply, unknownDim } from '../expression.ts'
import { axisOf, broadcast, type Call, type Operator, type OperatorTable } from '../operator.ts'
import type { TensorShape } from '../tensor-facts.ts'
import { fusedConvolution } from './convolution.ts'
import { broadcasting, sameAsFirst } from './elementwise.ts'
import { fusedMatMul, gemm, matrixProduct } from './matrix.ts'
import { statisticsShape } from './normalization.ts'
import { dequantizeLinear, quantizeLinear } from './quantization.ts'

/** Y [batch, sequence, hidden], two statistics in float32, and the sum that was normalised. */
const skipNormalization: Operator = (call) => {
  const elementType = call.elementType(0)
  const shape = call.shape(0)
  const statistics: TensorShape = { elementType: 'float32', shape: statisticsShape(shape, -1) }
  return [{ elementType, shape }, statistics, statistics, { elementType, shape }]
}

/** Ids [batch, sequence] → embeddings [batch, sequence, hidden], mask indices [batch], and the sum. */
const embedNormalization: Operator = (call) => {
  const ids = call.shape(0)
  const elementType = call.elementType(2)
  const hidden = call.shape(2)?.[1]
  const shape = ids && [...ids, hidden ?? unknownDim()]
  return [
    { elementType, shape },
    { elementType: 'int32', shape: ids?.slice(0, 1) },
    { elementType, shape },
  ]
}

// ---- attention

interface Heads {
  readonly batch: Dim
  readonly sequence: Dim
  readonly keys: Dim
  readonly headSize: Dim
  readonly valueSize: Dim
}

const quotient = (a: Dim | undefined, b: Dim): Dim =>
  a === undefined ? unknownDim() : (exactDivide(a, b) ?? unknownDim())

/** Query [batch, sequence, hidden], packed QKV [batch, sequence, heads, 3, size]; keys and values apart, packed, or by head. */
function headsOf(call: Call, heads: number): Heads | undefined {
  const [query, key, value] = [call.shape(0), call.shape(1), call.shape(2)]
  if (query === undefined) return undefined
  const [batch = unknownDim(), sequence = unknownDim()] = query
  if (query.length === 5) {
    const size = query[4] ?? unknownDim()
    return { batch, sequence, keys: sequence, headSize: size, valueSize: size }
  }
  const headSize = quotient(query[2], heads)
  if (key?.length === 5) return { batch, sequence, keys: key[1] ?? unknownDim(), headSize, valueSize: headSize }
  const keys = key === undefined ? unknownDim() : ((key.length === 4 ? key[2] : key[1]) ?? unknownDim())
  const valueSize = value?.length === 4 ? (value[3] ?? unknownDim()) : quotient(value?.[2], heads)
  return { batch, sequence, keys, headSize, valueSize }
}

const multiHeadAttention: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const count = node.int('num_heads', 0)
  const heads = count > 0 ? headsOf(call, count) : undefined
  if (heads === undefined) return node.outputs.map(() => ({ elementType, shape: undefined }))
  const { batch, sequence, keys, headSize, valueSize } = heads
  const past = call.has(6) ? call.shape(6)?.[2] : 0
  // A buffer for past and present at once (past_sequence_length given) keeps its size.
  const total = call.has(8) || past === undefined ? unknownDim() : add(past, keys)
  return [
    { elementType, shape: [batch, sequence, multiply(valueSize, count)] },
    { elementType, shape: [batch, count, total, headSize] },
    { elementType, shape: [batch, count, total, valueSize] },
    { elementType, shape: [batch, count, sequence, total] },
  ]
}

const groupQueryAttention: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const [heads, keyHeads] = [node.int('num_heads', 0), node.int('kv_num_heads', 0)]
  const query = call.shape(0)
  if (query === undefined || heads === 0) return node.outputs.map(() => ({ elementType, shape: undefined }))
  const [batch = unknownDim(), sequence = unknownDim(), hidden = unknownDim()] = query
  // Without key and value the query holds all three.
  const size = call.has(1) ? quotient(hidden, heads) : quotient(hidden, heads + 2 * keyHeads)
  const total = call.has(6) ? (call.scalar(6) ?? unknownDim()) : unknownDim()
  const past = call.has(3) ? (call.shape(3)?.[2] ?? unknownDim()) : 0
  const cache = [batch, keyHeads, maximum(past, total), call.shape(3)?.[3] ?? size]
  return [
    { elementType, shape: [batch, sequence, multiply(size, heads)] },
    { elementType: call.elementType(3) ?? elementType, shape: cache },
    { elementType: call.elementType(4) ?? elementType, shape: cache },
    { elementType, shape: [batch, heads, sequence, total] },
  ]
}

/** Input [batch, sequence, in], weights [in, 3·hidden]; past and present are [2, batch, heads, sequence, size]. */
const attention: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const [batch = unknownDim(), sequence = unknownDim()] = call.shape(0) ?? []
  const sizes = node.ints('qkv_hidden_sizes')
  const packed = call.shape(1)?.[1]
  const hidden = sizes?.[2] ?? quotient(packed, 3)
  const heads = node.int('num_heads', 1)
  const past = call.has(4) ? call.shape(4)?.[3] : 0
  const total = call.has(6) || past === undefined ? unknownDim() : add(past, sequence)
  const size = quotient(sizes?.[1] ?? hidden, heads)
  return [
    { elementType, shape: [batch, sequence, hidden] },
    { elementType, shape: [2, batch, heads, total, size] },
  ]
}

// ---- quantised weights

/** A [.., K] · B [N, K] in blocks → [.., N] */
const matMulBlocks: Operator = (call) => {
  const a = call.shape(0)
  const n = call.node.int('N')
  return { elementType: call.elementType(0), shape: a && [...a.slice(0, -1), n ?? unknownDim()] }
}

/** Gather from a table of which a byte may hold several elements; the result has the scales' type. */
const gatherBlocks: Operator = (call) => {
  const elementType = call.elementType(2)
  const [table, indices] = [call.shape(0), call.shape(1)]
  if (table === undefined || indices === undefined) return { elementType, shape: undefined }
  const axis = axisOf(call.node.int('gather_axis', 0), table.length)
  const perByte = call.elementType(0) === 'uint8' ? 8 / call.node.int('bits', 4) : 1
  const unpacked = table.map((dim, index) => (index === table.length - 1 ? multiply(dim, perByte) : dim))
  return { elementType, shape: [...unpacked.slice(0, axis), ...indices, ...unpacked.slice(axis + 1)] }
}

const product =
  (a: number, b: number, typeOf: (call: Call) => ElementType | undefined): Operator =>
  (call) => ({ elementType: typeOf(call), shape: matrixProduct(call.shape(a), call.shape(b)) })

/** Elementwise on quantised A and B, each followed by scale and zero point. */
const quantisedBinary: Operator = (call) => ({
  elementType: call.elementType(0),
  shape: broadcast(call.shape(0), call.shape(3)),
})

/** Half the channels gate the other half. */
const splitGelu: Operator = (call) => {
  const shape = call.shape(0)
  const last = shape?.at(-1)
  return {
    elementType: call.elementType(0),
    shape: shape && last !== undefined ? [...shape.slice(0, -1), floorDivide(last, 2)] : undefined,
  }
}

export const microsoft: OperatorTable = {
  Gelu: sameAsFirst,
  FastGelu: sameAsFirst,
  QuickGelu: sameAsFirst,
  BiasGelu: broadcasting(),
  BiasAdd: sameAsFirst,
  BiasSplitGelu: splitGelu,
  BiasSoftmax: sameAsFirst,
  FusedConv: fusedConvolution,
  FusedGemm: gemm,
  FusedMatMul: fusedMatMul,
  GemmFastGelu: product(0, 1, (call) => call.elementType(0)),
  SkipLayerNormalization: skipNormalization,
  SkipSimplifiedLayerNormalization: skipNormalization,
  EmbedLayerNormalization: embedNormalization,
  GroupNorm: sameAsFirst,
  MultiHeadAttention: multiHeadAttention,
  GroupQueryAttention: groupQueryAttention,
  Attention: attention,
  RotaryEmbedding: sameAsFirst,
  MatMulNBits: matMulBlocks,
  MatMulBnb4: matMulBlocks,
  GatherBlockQuantized: gatherBlocks,
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeMatMul: product(0, 1, (call) => call.elementType(0)),
  MatMulIntegerToFloat: product(0, 1, (call) => call.elementType(2)),
  MatMulInteger16: product(0, 1, () => 'int32'),
  QLinearAdd: quantisedBinary,
  QLinearMul: quantisedBinary,
  QLinearSigmoid: sameAsFirst,
  QLinearLeakyRelu: sameAsFirst,
  QLinearSoftmax: sameAsFirst,
  Trilu: sameAsFirst,
  Inverse: sameAsFirst,
}
