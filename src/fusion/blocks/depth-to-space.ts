import { defineFusion } from '../define-fusion.ts'
import { type Arrangement, arrangementsOf } from './arrangement.ts'

/**
 * Reshape and Transpose that move channels of [N, C·b², H, W] to rows and columns of [N, C, H·b, W·b] → DepthToSpace. C outermost in the channels is
 * mode CRD, PyTorch's pixel shuffle; innermost, mode DCR. Channels-last data stays so on WebGPU.
 */
export const depthToSpace = defineFusion({
  name: 'depth-to-space',
  roots: ['Reshape'],
  rewrite(root, graph, context) {
    const [moved] = root.inputs
    // A Reshape behind a Transpose: other nodes need no look at their views.
    if (!moved?.producer?.is('Transpose') || context.shape(root.output)?.length !== 4) return undefined
    for (const arrangement of arrangementsOf(root.output, context)) {
      if (arrangement.scale !== 1 || arrangement.from.length !== 4) continue
      const found = shuffleOf(arrangement)
      if (found === undefined) continue
      if (root.opset < 11) return 'the runtime has no WebGPU kernel for DepthToSpace below opset 11'
      const elementType = context.elementType(root.output)
      if (elementType !== 'float32' && elementType !== 'float16') return `the runtime has no kernel for ${elementType}`
      const attributes = { blocksize: found.size, mode: found.mode }
      return graph.op('DepthToSpace', [arrangement.source], attributes, { like: root })
    }
    return undefined
  },
})

/** The block size and the mode, where an arrangement is that. */
function shuffleOf({ from, to }: Arrangement): { size: number; mode: 'CRD' | 'DCR' } | undefined {
  const [batch, channels, rows, columns] = from
  const [ofBatch, ofChannels, ofRows, ofColumns] = to
  const [row, rowBlock, ...moreRows] = ofRows ?? []
  const [column, columnBlock, ...moreColumns] = ofColumns ?? []
  if (rowBlock === undefined || columnBlock === undefined || moreRows.length > 0 || moreColumns.length > 0)
    return undefined
  const size = rowBlock.size
  const inPlace =
    String(batch?.length) === String(ofBatch?.length) && batch?.every((part, index) => part === ofBatch?.[index])
  const spatial = rows?.length === 1 && rows[0] === row && columns?.length === 1 && columns[0] === column
  if (!inPlace || !spatial || typeof size !== 'number' || size !== columnBlock.size) return undefined
  const kept = ofChannels ?? []
  const same = (parts: readonly unknown[]): boolean =>
    parts.length === channels?.length && parts.every((part, index) => part === channels[index])
  if (same([...kept, rowBlock, columnBlock])) return { size, mode: 'CRD' }
  return same([rowBlock, columnBlock, ...kept]) ? { size, mode: 'DCR' } : undefined
}
