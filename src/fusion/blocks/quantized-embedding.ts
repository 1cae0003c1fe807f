import { type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { hasKernel } from '../kernels/kernels.ts'
import { any, constant, type Match, node, optional } from '../pattern.ts'
import { microsoft } from './microsoft.ts'

const [weight, scale, zero, indices] = [constant(), constant(), constant(), any()]
const dequantize = node('DequantizeLinear', [weight, scale, optional(zero)])
const blockSince = 21

/**
 * Gather(Dequantize(W), ids) → Dequantize(Gather(W, ids)): only the rows that are looked up are dequantised, not the whole table in each run. Scales and
 * zero points of rows, or of blocks of a row, are looked up with them. W of int8 becomes uint8, which WebGPU can look up.
 *
 * GatherBlockQuantized does it in one node, and does it for 4 bits; the wasm of onnxruntime-web's WebGPU builds has no kernel for it, so it is
 * used only where there is no fallback: `target: 'webgpu'`.
 */
export const quantizedEmbedding = defineFusion({
  name: 'quantized-embedding',
  pattern: node('Gather', [dequantize, indices]),
  conditions: [
    (match) => {
      const { dims } = match.tensor(weight)
      const axis = match.root.int('axis', 0)
      return dims.length === 2 && (axis === 0 || axis === -2) ? undefined : 'it does not look up the rows of a table'
    },
    (match) =>
      placeOf(match) === undefined ? 'its scales are not for rows, columns, all, or blocks of a row' : undefined,
    (match) => {
      const z = match.has(zero) ? match.tensor(zero) : undefined
      const fits = z === undefined || String(z.dims) === String(match.tensor(scale).dims)
      return fits ? undefined : 'its zero points differ from its scales in shape'
    },
  ],
  replace(match, graph, context) {
    const place = placeOf(match)
    const rank = context.shape(match.value(indices))?.length
    if (place === undefined || rank === undefined) return 'the rank of what is looked up is not known'
    return lookedUpAtOnce(match, graph, place, context) ?? lookedUpFirst(match, graph, place, rank)
  },
})

/** For what a scale is: everything, each column, each row, or each block of that many columns of a row. */
type Place = 'all' | 'columns' | { readonly block: number }

function placeOf(match: Match): Place | undefined {
  const [
    {
      dims: [rows = 0, columns = 0],
    },
    { dims },
  ] = [match.tensor(weight), match.tensor(scale)]
  const attributes = match.node(dequantize)
  const axis = (attributes.int('axis', 1) + 2) % 2
  const block = attributes.int('block_size', 0)
  if (block > 0) {
    const fits = axis === 1 && dims.length === 2 && dims[0] === rows && dims[1] === Math.ceil(columns / block)
    return fits ? { block } : undefined
  }
  if (dims.length === 0 || (dims.length === 1 && dims[0] === 1)) return 'all'
  if (dims.length !== 1) return undefined
  return axis === 1 ? (dims[0] === columns ? 'columns' : undefined) : dims[0] === rows ? { block: columns } : undefined
}

/** GatherBlockQuantized, where the target has it; its blocks are of 16 or more, a power of 2, and the last may be cut short. */
function lookedUpAtOnce(match: Match, graph: GraphBuilder, place: Place, context: FusionContext): Value | undefined {
  const [W, s, z] = tensorsOf(match)
  const { target, kernels } = context
  const type = s.elementType
  if (target !== 'webgpu' || typeof place === 'string' || !hasKernel(kernels, 'webgpu', operator, 1, type))
    return undefined
  const [rows = 0, columns = 0] = W.dims
  const blocks = Math.ceil(columns / place.block)
  const size = blocks === 1 ? Math.max(16, 2 ** Math.ceil(Math.log2(place.block))) : place.block
  if (size < 16 || !Number.isInteger(Math.log2(size))) return undefined
  // Of uint8, the operator takes 128 where no zero point is given.
  const points =
    z ?? (W.elementType === 'uint8' ? Tensor.fromBytes('uint8', s.dims, new Uint8Array(s.size)) : undefined)
  const inputs = [W, match.value(indices), s.reshape([rows, blocks]), points?.reshape([rows, blocks])]
  const attributes = { gather_axis: 0, quantize_axis: 1, block_size: size, bits: W.elementType.endsWith('4') ? 4 : 8 }
  return microsoft(graph, match.root, 'GatherBlockQuantized', inputs, attributes).output
}
const operator = 'com.microsoft::GatherBlockQuantized'

function lookedUpFirst(match: Match, graph: GraphBuilder, place: Place, rank: number): Value | string {
  const [W, s, z] = tensorsOf(match)
  const { opset } = match.root
  const ids = match.value(indices)
  if (W.elementType !== 'uint8') return `Gather has no kernel for ${W.elementType}`
  if (typeof place !== 'string' && opset < blockSince) return `opset ${opset} does not dequantise by row`
  if (typeof place !== 'string' && rank === 0) return 'it looks up one row, without an axis for it'
  const lookUp = (table: Tensor): Value => graph.op('Gather', [table, ids], { axis: 0 })
  const byRow = (table: Tensor): Value | Tensor =>
    typeof place === 'string' ? table : lookUp(table.reshape([W.dims[0] ?? 0, table.size / (W.dims[0] ?? 1)]))
  const inputs = [lookUp(W), byRow(s), ...(z === undefined ? [] : [byRow(z)])]
  const axis = place === 'all' ? {} : { axis: rank }
  const block = typeof place === 'string' ? {} : { block_size: place.block }
  return graph.op('DequantizeLinear', inputs, { ...axis, ...block }, { like: match.root })
}

/** The table, its scales and zero points; of int8 as uint8, 128 above. */
function tensorsOf(match: Match): [Tensor, Tensor, Tensor | undefined] {
  const [W, s, z] = [match.tensor(weight), match.tensor(scale), match.has(zero) ? match.tensor(zero) : undefined]
  if (W.elementType !== 'int8') return [W, s, z]
  const raised = (tensor: Tensor): Tensor =>
    Tensor.fromBytes(
      'uint8',
      tensor.dims,
      Uint8Array.from(tensor.bytes, (byte) => byte ^ 128),
    )
  return [raised(W), s, raised(z ?? Tensor.fromBytes('int8', s.dims, new Uint8Array(s.size)))]
}
