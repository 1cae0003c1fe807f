import { Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'

/**
 * A node whose elements follow from the shapes alone → an initializer: Shape, Size, and the Gather, Concat, Mul, Cast … that work on sizes.
 * Only small tensors are followed, so that the file does not grow.
 */
export const shapeData = defineFusion({
  name: 'shape-data',
  roots: ['*'],
  rewrite(root, graph, context) {
    if (root.is('Constant')) return undefined
    const used = root.outputs.filter((output) => output?.isUsed)
    const replacements: Replacement[] = []
    for (const from of used) {
      const tensor = from && !from.isOutput ? knownTensor(from, context) : undefined
      if (from === undefined || tensor === undefined) return undefined
      replacements.push({ from, to: graph.constant(tensor) })
    }
    return replacements.length > 0 ? replacements : undefined
  },
})

function knownTensor(value: Value, context: FusionContext): Tensor | undefined {
  const elements = context.data(value)
  const type = context.elementType(value)
  const dims = context.shape(value)
  if (type === undefined || !elements?.every((element) => typeof element === 'number')) return undefined
  if (!dims?.every((dim) => typeof dim === 'number')) return undefined
  // "To the end" is the largest int64, which no JavaScript number is.
  const isExact = type.startsWith('float') ? Number.isFinite : Number.isSafeInteger
  return elements.every(isExact) ? Tensor.fromNumbers(type, dims, elements) : undefined
}
