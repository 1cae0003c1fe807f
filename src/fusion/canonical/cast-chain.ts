import type { ElementType } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { castTarget } from './same-type-cast.ts'

/** Whole numbers from `low` to `high`, all of them held exactly; for floats the bits of significand and exponent. */
interface Range {
  readonly whole: readonly [low: number, high: number]
  readonly float?: readonly [significand: number, exponent: number]
}

const signed = (bits: number): Range => ({ whole: [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] })
const unsigned = (bits: number): Range => ({ whole: [0, 2 ** bits - 1] })
const float = (significand: number, exponent: number): Range => {
  // Whole numbers up to 2^significand, and no further than the largest number goes.
  const whole = 2 ** Math.min(significand, 2 ** (exponent - 1))
  return { whole: [-whole, whole], float: [significand, exponent] }
}

const ranges: Readonly<Partial<Record<ElementType, Range>>> = {
  bool: unsigned(1),
  uint8: unsigned(8),
  uint16: unsigned(16),
  uint32: unsigned(32),
  uint64: unsigned(64),
  int8: signed(8),
  int16: signed(16),
  int32: signed(32),
  int64: signed(64),
  float16: float(11, 5),
  bfloat16: float(8, 8),
  float32: float(24, 8),
  float64: float(53, 11),
}

/** Whether every value of one type is a value of the other. */
export function holdsAll(from: ElementType, to: ElementType): boolean {
  const [a, b] = [ranges[from], ranges[to]]
  if (from === to) return true
  if (a === undefined || b === undefined) return false
  if (a.float !== undefined)
    return b.float !== undefined && a.float.every((bits, index) => bits <= (b.float?.[index] ?? 0))
  return a.whole[0] >= b.whole[0] && a.whole[1] <= b.whole[1]
}

const isWhole = (type: ElementType): boolean => ranges[type] !== undefined && ranges[type].float === undefined

/**
 * Cast_C(Cast_B(x)) → Cast_C(x), or x where that is its type: only if B holds every value of x's type A, and C treats A as it treats B.
 * A float out of an integer's range is no defined number, so that A → B → C goes through a float only where C holds all of A.
 */
export const castChain = defineFusion({
  name: 'cast-chain',
  roots: ['Cast'],
  rewrite(root, graph, context) {
    const first = root.inputs[0]?.producer
    const x = first?.inputs[0]
    if (first?.is('Cast') !== true || x === undefined) return undefined
    const [a, b, c] = [context.elementType(x), castTarget(first, context), castTarget(root, context)]
    if (a === undefined || b === undefined || c === undefined) return undefined
    if (!(a in ranges && b in ranges && c in ranges)) return undefined
    if (!holdsAll(a, b)) return `${b} does not hold all values of ${a}`
    const alike = holdsAll(a, c) || c === 'bool' || !isWhole(c) || isWhole(b)
    if (!alike) return `${b} to ${c} is not defined where ${a} to ${c} is`
    if (a === c) return x
    return graph.op('Cast', [x], [...root.attributes.values()], { like: root })
  },
})
