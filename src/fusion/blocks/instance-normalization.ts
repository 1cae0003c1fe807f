import { defineFusion } from '../define-fusion.ts'
import { filled } from './filled.ts'
import { standardised } from './standardised.ts'

/**
 * (x − mean(x)) / √(mean((x − mean(x))²) + ε) over all axes of an image but N and C → InstanceNormalization(x, 1, 0).
 * Of rank 3, the same is a layer normalisation too, and left to that.
 */
export const instanceNormalization = defineFusion({
  name: 'instance-normalization',
  pattern: standardised.pattern,
  replace(match, graph, context) {
    const found = standardised.read(match, context)
    if (typeof found === 'string') return found
    const { axes, rank, epsilon } = found
    const isImage = rank >= 4 && axes.length === rank - 2 && axes[0] === 2 && axes.at(-1) === rank - 1
    if (!isImage) return `it is over axes ${axes} of ${rank}, not over those of an image`
    const x = match.value(standardised.x)
    const channels = context.shape(x)?.[1]
    if (typeof channels !== 'number') return `the number of channels, ${channels}, is not known`
    const [scale, bias] = [1, 0].map((number) => filled(context.elementType(x) ?? 'float32', [channels], number))
    return graph.op('InstanceNormalization', [x, scale, bias], { epsilon }, { like: match.root })
  },
})
