import { Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, constant, either, node, optional } from '../pattern.ts'
import { microsoft } from './microsoft.ts'

const [x, weight, scale, zero, bias] = [any(), constant(), constant(), constant(), any()]
const dequantize = node('DequantizeLinear', [weight, scale, optional(zero)])
const gemm = node('Gemm', [x, dequantize, optional(bias)])

/** How many bits an element has, and what is added to make it unsigned, with the zero point that the operator has by default. */
const formats: Readonly<Record<string, { bits: number; offset: number }>> = {
  int4: { bits: 4, offset: 8 },
  uint4: { bits: 4, offset: 0 },
  int8: { bits: 8, offset: 128 },
  uint8: { bits: 8, offset: 0 },
}

/** The block sizes that the runtime has kernels for, the largest first. */
const blockSizes = [256, 128, 64, 32, 16]

/**
 * x·Dequantize(W) → MatMulNBits(x, W), for W of 4 or 8 bits: the weight stays small in memory, and is not dequantised in each run.
 * W of [K, N] becomes [N, K / block, bytes of a block], unsigned; scales and zero points, for blocks, columns or all, one for each block.
 * Gemm likewise, of W or of W transposed.
 */
export const matmulNBits = defineFusion({
  name: 'matmul-nbits',
  pattern: either(node('MatMul', [x, dequantize]), gemm),
  conditions: [
    (_match, { target }) => (target === 'onnx' ? 'MatMulNBits is not in the ONNX standard' : undefined),
    ({ root }) => {
      const plain = root.int('transA', 0) === 0 && root.float('alpha', 1) === 1 && root.float('beta', 1) === 1
      return plain ? undefined : 'it transposes or scales what it multiplies'
    },
    (match) => (match.tensor(weight).dims.length === 2 ? undefined : 'its weight has batches'),
    (match, context) => {
      const { elementType } = match.tensor(scale)
      const known = elementType === 'float32' || elementType === 'float16'
      return known && context.elementType(match.value(x)) === elementType ? undefined : `its scales are ${elementType}`
    },
  ],
  replace(match, graph) {
    const transposed = match.root.int('transB', 0) !== 0
    const W = transposed ? match.tensor(weight).transpose([1, 0]) : match.tensor(weight)
    if (W === undefined) return 'its weight of 4 bits is transposed'
    const format = formats[W.elementType]
    const [K = 0, N = 0] = W.dims
    if (format === undefined) return `weights of ${W.elementType} have no such operator`
    const dequantizer = match.node(dequantize)
    const blocked = dequantizer.int('block_size', 0)
    const size = blocked > 0 ? blocked : blockSizes.find((one) => K % one === 0)
    if (size === undefined || !blockSizes.includes(size)) return `no block size of the runtime divides ${K}`
    const axis = (dequantizer.int('axis', 1) + (transposed ? 1 : 2)) % 2
    const blocks = K / size
    const turned = (one: Tensor): Tensor => (transposed && one.dims.length === 2 ? one.transpose([1, 0]) : one) ?? one
    const s = turned(match.tensor(scale))
    const perBlock = placeOf(s.dims, axis, blocked, K, N, size)
    const z = match.has(zero) ? turned(match.tensor(zero)) : undefined
    if (perBlock === undefined || (z !== undefined && String(z.dims) !== String(s.dims)))
      return `its scales of [${s.dims}] are not for blocks or columns`
    const scales = s.toNumbers()
    const zeros = z && integersOf(z)
    const each = <T>(read: (block: number, column: number) => T): T[] =>
      Array.from({ length: N * blocks }, (_, index) => read(index % blocks, Math.floor(index / blocks)))
    const points = each((block, column) => (zeros?.[perBlock(block, column)] ?? 0) + format.offset)
    const inputs = [
      match.value(x),
      packed(integersOf(W), format, [K, N], size),
      Tensor.fromNumbers(
        s.elementType,
        [N * blocks],
        each((block, column) => scales[perBlock(block, column)] ?? 0),
      ),
      // What is left out is the middle of the range.
      ...(points.every((point) => point === 2 ** (format.bits - 1))
        ? []
        : [packedPoints(points, format.bits, N, blocks)]),
    ]
    const attributes = { K, N, bits: format.bits, block_size: size }
    const product = microsoft(graph, match.root, 'MatMulNBits', inputs, attributes).output
    return match.has(bias) ? graph.op('Add', [product, match.value(bias)]) : product
  },
})

/** Which scale is for a block of a column: there is one, one for each column, or one for each block of rows in each column. */
function placeOf(
  dims: readonly number[],
  axis: number,
  blocked: number,
  K: number,
  N: number,
  size: number,
): ((block: number, column: number) => number) | undefined {
  const text = String(dims)
  if (blocked > 0)
    return axis === 0 && text === String([K / size, N]) ? (block, column) => block * N + column : undefined
  if (text === '' || text === '1') return () => 0
  return axis === 1 && text === String([N]) ? (_block, column) => column : undefined
}

/** The elements, those of 4 bits unpacked: the first is in the low half of a byte. */
function integersOf(tensor: Tensor): Int16Array {
  const { elementType, size, bytes } = tensor
  if (elementType === 'uint8') return new Int16Array(bytes)
  if (elementType === 'int8') return new Int16Array(new Int8Array(bytes.buffer, bytes.byteOffset, size))
  return Int16Array.from({ length: size }, (_, index) => {
    const nibble = ((bytes[index >> 1] ?? 0) >> (index % 2 === 0 ? 0 : 4)) & 15
    return elementType === 'int4' && nibble > 7 ? nibble - 16 : nibble
  })
}

/** [K, N] → [N, K / size, bytes of a block], column by column, the first of two nibbles in the low half of a byte. */
function packed(
  elements: Int16Array,
  { bits, offset }: { bits: number; offset: number },
  [K, N]: readonly [number, number],
  size: number,
): Tensor {
  const bytes = new Uint8Array((K * N * bits) / 8)
  for (let column = 0; column < N; column++) {
    for (let row = 0; row < K; row++) {
      const element = (elements[row * N + column] ?? 0) + offset
      const place = column * K + row
      if (bits === 8) bytes[place] = element
      else bytes[place >> 1] = (bytes[place >> 1] ?? 0) | (element << (place % 2 === 0 ? 0 : 4))
    }
  }
  return Tensor.fromBytes('uint8', [N, K / size, (size * bits) / 8], bytes)
}

/** Zero points, one for each block of each column; two of 4 bits share a byte within a column. */
function packedPoints(points: readonly number[], bits: number, N: number, blocks: number): Tensor {
  const width = Math.ceil((blocks * bits) / 8)
  const bytes = new Uint8Array(N * width)
  for (const [index, point] of points.entries()) {
    const [column, block] = [Math.floor(index / blocks), index % blocks]
    const place = column * width + (bits === 8 ? block : block >> 1)
    bytes[place] = (bytes[place] ?? 0) | (point << (bits === 4 && block % 2 === 1 ? 4 : 0))
  }
  return Tensor.fromBytes('uint8', [N * width], bytes)
}
