import { int64 } from '../../graph/index.ts'
import type { Dim } from '../context.ts'
import { defineLowering } from './lowering.ts'

/** SpaceToDepth(x; b) → Reshape to [N, C, H/b, b, W/b, b], Transpose, Reshape. */
export const lowerSpaceToDepth = defineLowering({
  name: 'lower-space-to-depth',
  op: 'SpaceToDepth',
  form: ['Reshape', 'Transpose'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const shape = x && context.shape(x)
    const block = root.int('blocksize')
    if (x === undefined || block === undefined) return undefined
    if (root.string('mode', 'DCR') !== 'DCR') return `its mode is ${root.string('mode', '')}`
    if (shape?.length !== 4) return `the shape of "${x}" is not known`
    const [batch = 1, channels, ...size] = shape
    if (typeof channels !== 'number') return `the number of channels of "${x}" is not known`
    const divided = (dim: Dim): number => (typeof dim === 'number' ? dim / block : -1)
    const [height = -1, width = -1] = size.map(divided)
    if (height === -1 && width === -1) return `neither height nor width of "${x}" is known`
    // The size that is open is inferred, which no runtime does where the batch is empty.
    if ((height === -1 || width === -1) && !context.isPositive(batch)) return `the batch of "${x}" may be empty`
    const split = graph.op('Reshape', [x, int64([0, channels, height, block, width, block])])
    const moved = graph.op('Transpose', [split], { perm: [0, 3, 5, 1, 2, 4] })
    const shapeOut = int64([0, channels * block * block, height, width])
    return graph.op('Reshape', [moved, shapeOut], {}, { like: root })
  },
})
