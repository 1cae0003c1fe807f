import type { Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, either, type Match, node, product, sum } from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { repeatedHalf } from './repeated-half.ts'
import { headAxes, rotateHeads, tableOf, whyNotMicrosoft } from './rotate-heads.ts'
import { isAt, type Pairing, slotsOf, wholeOf } from './rotated-parts.ts'

const [x, cos, sin] = [any(), any(), any()]
const joined = node('Concat', [any(), any()])
const rotated = either(joined, node('Reshape', [joined, any()]))

/**
 * x·cos + rotate(x)·sin → RotaryEmbedding(x; cos, sin). Of the halves of a head, x = [a, b], rotate(x) = [−b, a]; or of neighbours, x = a₀, b₀, a₁, b₁, …,
 * rotate(x) = −b₀, a₀, −b₁, a₁, … x is [B, N, S, H] or [B, S, N, H]; each position has a row of cosines and one of sines, every number twice.
 */
export const rotaryEmbedding = defineFusion({
  name: 'rotary-embedding',
  pattern: sum(0, [product(1, [rotated, sin]), product(1, [x, cos])]),
  conditions: [
    (_match, { target }) => whyNotMicrosoft(target),
    (match, context) => whyNoFloatKernel(match.value(x), context),
    (match, context) =>
      pairingOf(match, context) === undefined ? 'it does not rotate two parts of the last axis' : undefined,
  ],
  replace(match, graph, context) {
    const input = match.value(x)
    const size = context.shape(input)?.at(-1)
    if (typeof size !== 'number') return undefined
    const axes = headAxes(input, [match.value(cos), match.value(sin)], size, context)
    if (typeof axes === 'string') return axes
    const pairing = pairingOf(match, context) ?? 'halves'
    const [cosines, sines] = [cos, sin].map((one) => {
      const half = repeatedHalf(graph, match.value(one), pairing, context)
      return half && tableOf(graph, half, size / 2)
    })
    if (cosines === undefined || sines === undefined) return 'it is not seen that both parts have the same cosines'
    return rotateHeads(graph, match.root, input, { pairing, axes, cosines, sines }, context)
  },
})

/** How x is paired, where what is multiplied by the sines is x rotated. */
function pairingOf(match: Match, context: FusionContext): Pairing | undefined {
  const made = slotsOf(match.value(rotated), context)
  const second = made && negated(made.slots[0])
  const whole = second && wholeOf(made.slots[1], second, context)
  return whole?.pairing === made?.pairing && whole && isAt(match.value(x), whole, context) ? whole.pairing : undefined
}

/** v of −v. */
function negated(value: Value): Value | undefined {
  const { producer } = value
  if (producer?.is('Neg')) return producer.inputs[0]
  if (!producer?.is('Mul')) return undefined
  const factor = producer.inputs.find((input) => input?.constant?.scalar === -1)
  return factor && producer.inputs.find((input) => input !== factor)
}
