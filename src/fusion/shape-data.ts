import { type ElementType, Tensor } from '../graph/index.ts'
import { defineFusion } from './define-fusion.ts'

/** Types whose elements are held exactly as numbers. */
const exact = new Set<ElementType | undefined>(['int64', 'int32', 'bool', 'float32', 'float64'])

/**
 * A node whose elements follow from the shapes alone → an initializer: Shape, Size, and the Gather, Concat, Mul, Cast … that work on sizes.
 * Only small tensors are followed, so that the file does not grow.
 */
export const shapeData = defineFusion({
  name: 'shape-data',
  roots: ['*'],
  rewrite(root, graph, context) {
    const [output, ...others] = root.outputs
    if (output === undefined || root.is('Constant') || others.some((other) => other?.isUsed)) return undefined
    if (output.isOutput || root.subgraphs.length > 0) return undefined
    const elements = context.data(output)
    if (!elements?.every((element) => typeof element === 'number')) return undefined
    const type = context.elementType(output)
    const dims = context.shape(output)
    if (type === undefined || !exact.has(type) || !dims?.every((dim) => typeof dim === 'number')) return undefined
    // "To the end" is the largest int64, which no JavaScript number is.
    const isExact = type.startsWith('float') ? Number.isFinite : Number.isSafeInteger
    return elements.every(isExact) ? graph.constant(Tensor.fromNumbers(type, dims, elements)) : undefined
  },
})
