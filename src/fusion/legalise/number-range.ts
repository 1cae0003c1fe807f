import type { Node, Tensor, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** What the elements of a tensor may be: numbers from `low` to `high` (none, where low is above high), and −∞. Never NaN or +∞. */
export interface NumberRange {
  readonly low: number
  readonly high: number
  readonly hasNegativeInfinity: boolean
}

const largestOf: Readonly<Record<string, number>> = { float16: 65504, float32: 3.4028234663852886e38 }
const most = Number.MAX_VALUE
const anyFinite: NumberRange = { low: -most, high: most, hasNegativeInfinity: false }
const noNumbers: NumberRange = {
  low: Number.POSITIVE_INFINITY,
  high: Number.NEGATIVE_INFINITY,
  hasNegativeInfinity: false,
}
const between = (low: number, high: number): NumberRange => ({ low, high, hasNegativeInfinity: false })

/** Elements of their first input, in whatever places. */
const views: ReadonlySet<string> = new Set(
  'Expand Flatten Gather GatherElements GatherND Identity Reshape Slice Split Squeeze Tile Transpose Unsqueeze'.split(
    ' ',
  ),
)
/** Sums of products, of which all is well as long as they are finite. */
const products: ReadonlySet<string> = new Set(['Einsum', 'Gemm', 'MatMul'])

type Operands = (index: number) => NumberRange | undefined

const operators: Readonly<Record<string, (operand: Operands, node: Node) => NumberRange | undefined>> = {
  Add: (operand) => combined(operand(0), operand(1), sum),
  Concat: (operand, { inputs }) => united(inputs.map((_, index) => operand(index))),
  ConstantOfShape: (_, node) => {
    const value = node.attributes.get('value')?.tensor
    return value === undefined ? between(0, 0) : ofTensor(value)
  },
  Div: (operand) => {
    const by = operand(1)
    const isApart = by !== undefined && !by.hasNegativeInfinity && (by.low > 0 || by.high < 0)
    return isApart ? combined(operand(0), between(1 / by.high, 1 / by.low), product) : undefined
  },
  Max: (operand, { inputs }) => inputs.map((_, index) => operand(index)).reduce((a, b) => combined(a, b, greater)),
  Mul: (operand) => combined(operand(0), operand(1), product),
  Neg: (operand) => combined(operand(0), between(-1, -1), product),
  Relu: (operand) => combined(operand(0), between(0, 0), greater),
  Sub: (operand) => combined(operand(0), combined(operand(1), between(-1, -1), product), sum),
  Tanh: (operand) => operand(0) && between(-1, 1),
  Trilu: (operand) => united([operand(0), between(0, 0)]),
  Where: (operand) => united([operand(1), operand(2)]),
}

/**
 * The range of a float tensor's elements where all of what computes it is known: constants, conditions, products, and what is made of those. Products
 * are taken to be finite. undefined where there may be a NaN or +∞.
 */
export function rangeOf(value: Value | undefined, context: FusionContext): NumberRange | undefined {
  return ranges(value, context, new Map())
}

function ranges(
  value: Value | undefined,
  context: FusionContext,
  known: Map<Value, NumberRange | undefined>,
): NumberRange | undefined {
  if (value === undefined) return undefined
  if (known.has(value)) return known.get(value)
  known.set(value, undefined)
  const found = within(unbounded(value, context, known), context.elementType(value))
  known.set(value, found)
  return found
}

function unbounded(
  value: Value,
  context: FusionContext,
  known: Map<Value, NumberRange | undefined>,
): NumberRange | undefined {
  const { constant, producer } = value
  if (constant !== undefined) return ofTensor(constant)
  const type = context.elementType(value)
  if (type === 'bool') return between(0, 1)
  if (isInteger(value, context)) return anyFinite
  if (producer === undefined || producer.domain !== '') return undefined
  const operand: Operands = (index) => ranges(producer.inputs[index], context, known)
  // An integer may be beyond float16.
  if (
    producer.op === 'Cast' &&
    type === 'float16' &&
    operand(0) === anyFinite &&
    isInteger(producer.inputs[0], context)
  )
    return undefined
  if (views.has(producer.op) || producer.op === 'Cast') return operand(0)
  return products.has(producer.op) ? anyFinite : operators[producer.op]?.(operand, producer)
}

const isInteger = (value: Value | undefined, context: FusionContext): boolean =>
  value !== undefined && context.elementType(value)?.includes('int') === true

/** What a type makes of numbers beyond its largest; those of products are taken not to be. */
function within(range: NumberRange | undefined, type: string | undefined): NumberRange | undefined {
  const largest = type === undefined ? undefined : largestOf[type]
  if (range === undefined || largest === undefined) return range
  const isBeyond = (bound: number): boolean => bound > largest && bound < most
  if (isBeyond(range.high)) return undefined
  return isBeyond(-range.low) ? { ...range, low: -largest, hasNegativeInfinity: true } : range
}

function ofTensor(tensor: Tensor): NumberRange | undefined {
  if (!tensor.hasNumbers) return undefined
  let { low, high, hasNegativeInfinity } = noNumbers
  for (const number of tensor.toNumbers()) {
    if (number === Number.NEGATIVE_INFINITY) hasNegativeInfinity = true
    else if (!Number.isFinite(number)) return undefined
    else [low, high] = [Math.min(low, number), Math.max(high, number)]
  }
  return { low, high, hasNegativeInfinity }
}

const united = (all: readonly (NumberRange | undefined)[]): NumberRange | undefined =>
  all.reduce(
    (a, b) =>
      a &&
      b && {
        low: Math.min(a.low, b.low),
        high: Math.max(a.high, b.high),
        hasNegativeInfinity: a.hasNegativeInfinity || b.hasNegativeInfinity,
      },
    noNumbers,
  )

/** What two ranges make; for each, an element of one meets any of the other. */
function combined(
  a: NumberRange | undefined,
  b: NumberRange | undefined,
  operate: (a: NumberRange, b: NumberRange) => NumberRange | undefined,
): NumberRange | undefined {
  return a && b && operate(a, b)
}

const isEmpty = ({ low, high }: NumberRange): boolean => low > high
const clamped = (number: number): number => Math.max(-most, Math.min(most, number))

const sum = (a: NumberRange, b: NumberRange): NumberRange => {
  const finite = isEmpty(a) || isEmpty(b) ? noNumbers : between(clamped(a.low + b.low), clamped(a.high + b.high))
  return { ...spread(finite, [a, b]), hasNegativeInfinity: a.hasNegativeInfinity || b.hasNegativeInfinity }
}

/** −∞ keeps its sign beside what is positive; beside 0 it makes NaN. */
function product(a: NumberRange, b: NumberRange): NumberRange | undefined {
  const isWrong = (one: NumberRange, other: NumberRange): boolean =>
    one.hasNegativeInfinity && (other.hasNegativeInfinity || !(other.low > 0))
  if (isWrong(a, b) || isWrong(b, a)) return undefined
  const corners = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high].map((corner) => clamped(corner) + 0)
  const finite = isEmpty(a) || isEmpty(b) ? noNumbers : between(Math.min(...corners), Math.max(...corners))
  return { ...spread(finite, [a, b]), hasNegativeInfinity: a.hasNegativeInfinity || b.hasNegativeInfinity }
}

const greater = (a: NumberRange, b: NumberRange): NumberRange => ({
  // Where −∞ meets a number, that is the greater one.
  low: Math.min(
    a.hasNegativeInfinity ? b.low : Math.max(a.low, b.low),
    b.hasNegativeInfinity ? a.low : Math.max(a.low, b.low),
  ),
  high: Math.max(a.high, b.high),
  hasNegativeInfinity: a.hasNegativeInfinity && b.hasNegativeInfinity,
})

/** Of a number that may be any, all that is made of it may be any, unless nothing is. */
function spread(finite: NumberRange, operands: readonly NumberRange[]): NumberRange {
  const isAny = operands.some(({ low, high }) => low === -most || high === most)
  return isAny && !isEmpty(finite) ? anyFinite : finite
}
