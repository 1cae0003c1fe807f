import { underShape } from '../canonical/row-major-view.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, either, inverse, type Match, node, optional, product, sum, type ValuePattern } from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { headAxes, rotateHeads, tableOf, whyNotMicrosoft } from './rotate-heads.ts'
import { slotsOf, stackOf, valueAt, type Whole, wholeOf } from './rotated-parts.ts'

const [a, b, cos, sin] = [any(), any(), any(), any()]
const real = sum(0, [product(1, [a, cos]), inverse(product(1, [b, sin]))])
const imaginary = sum(0, [product(1, [a, sin]), product(1, [b, cos])])
const seen = (part: ValuePattern): ValuePattern => either(part, node(['Unsqueeze', 'Reshape'], [part, optional(any())]))

/**
 * [a·cos − b·sin, a·sin + b·cos] → RotaryEmbedding(x; cos, sin), for the parts a and b of a head x: its halves, joined again by Concat; or its even
 * and its odd numbers, stacked again. x is [B, N, S, H] or [B, S, N, H], with a row of H / 2 cosines for each position.
 */
export const rotaryEmbeddingParts = defineFusion({
  name: 'rotary-embedding-parts',
  pattern: node('Concat', [seen(real), seen(imaginary)]),
  conditions: [
    (_match, { target }) => whyNotMicrosoft(target),
    (match, context) => whyNoFloatKernel(match.value(a), context),
    (match, context) =>
      wholeOfParts(match, context) === undefined ? 'it does not join what it rotates as it was parted' : undefined,
  ],
  replace(match, graph, context) {
    const whole = wholeOfParts(match, context)
    const size = whole?.shape.at(-1)
    const input = whole && valueAt(graph, whole, context)
    if (whole === undefined || input === undefined || typeof size !== 'number') return undefined
    const axes = headAxes(input, [match.value(cos), match.value(sin)], size / 2, context)
    if (typeof axes === 'string') return axes
    const [cosines, sines] = [tableOf(graph, match.value(cos), size / 2), tableOf(graph, match.value(sin), size / 2)]
    const rotated = rotateHeads(graph, match.root, input, { pairing: whole.pairing, axes, cosines, sines }, context)
    if (typeof rotated !== 'object' || stackOf(match.root, context) === undefined) return rotated
    return underShape(graph, rotated, [whole.shape, context.shape(match.root.output)], context)
  },
})

/** What a and b are the parts of, where they are joined as they were parted. */
function wholeOfParts(match: Match, context: FusionContext): Whole | undefined {
  const made = stackOf(match.root, context) ?? slotsOf(match.root.output, context)
  const joined = made?.slots[0] === match.value(real) && made?.slots[1] === match.value(imaginary)
  const whole = joined ? wholeOf(match.value(a), match.value(b), context) : undefined
  return whole?.pairing === made?.pairing ? whole : undefined
}
