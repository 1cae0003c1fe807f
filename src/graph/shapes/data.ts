/** Arithmetic on the elements of small tensors, known by number or by expression. */
import type { ElementType } from '../element-type.ts'
import {
  add,
  type Dim,
  equalDims,
  exactDivide,
  isAtMost,
  lowerBound,
  maximum,
  minimum,
  modulo,
  multiply,
  provablyDifferent,
  subtract,
  truncatingDivide,
  unknownInteger,
  upperBound,
} from './expression.ts'
import type { Call } from './operator.ts'

/** One element from the operands' elements, of the given type; undefined when it does not follow. */
export type ElementFunction = (operands: readonly Dim[], type: ElementType | undefined) => Dim | undefined

const ranges: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int8: [-128, 127],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  uint32: [0, 2 ** 32 - 1],
  uint16: [0, 2 ** 16 - 1],
  uint8: [0, 255],
  bool: [0, 1],
}

const roundings: Readonly<Partial<Record<ElementType, (value: number) => number>>> = {
  float32: Math.fround,
  float64: (value) => value,
}

/** Types in which sizes are computed: their elements may be expressions. */
const expressive: ReadonlySet<ElementType> = new Set<ElementType>(['int64', 'int32', 'float32', 'float64', 'bool'])

/** The element as its type holds it; undefined when it would wrap, or cannot be told. */
export function inType(element: Dim | undefined, type: ElementType): Dim | undefined {
  if (element === undefined) return undefined
  if (typeof element !== 'number') return expressive.has(type) ? element : undefined
  const range = ranges[type]
  if (range !== undefined) {
    return Number.isInteger(element) && element >= range[0] && element <= range[1] ? element : undefined
  }
  return roundings[type]?.(element)
}

/** All elements; unknown whole numbers become symbols, and with an unknown fraction nothing is known. */
export function completeData(
  elements: readonly (Dim | undefined)[],
  type: ElementType | undefined,
): readonly Dim[] | undefined {
  if (type === undefined) return undefined
  const typed = elements.map((element) => inType(element, type))
  if (typed.every((element) => element !== undefined)) return typed
  if (type !== 'int64' && type !== 'int32' && type !== 'bool') return undefined
  if (typed.every((element) => element === undefined)) return undefined
  return typed.map((element) => element ?? unknownInteger())
}

/** The elements of an elementwise result of the given shape; undefined when nothing of them is known. */
export function elementwiseData(
  call: Call,
  shape: readonly Dim[] | undefined,
  type: ElementType | undefined,
  compute: ElementFunction,
): readonly Dim[] | undefined {
  const size = call.smallSize(shape)
  if (size === undefined || shape === undefined || type === undefined) return undefined
  const { inputs } = call
  if (inputs.some((facts) => call.smallSize(facts?.shape) === undefined)) return undefined
  if (!inputs.some((facts) => facts?.data !== undefined)) return undefined
  const operands: (readonly Dim[])[] = []
  for (const facts of inputs) {
    const elements = facts?.elements
    if (elements === undefined) return undefined
    operands.push(elements)
  }
  const places = inputs.map((facts) => broadcastPlaces(facts?.shape ?? [], shape, size))
  const operandType = call.elementType(0)
  const elements = Array.from({ length: size }, (_, index) => {
    const values: Dim[] = []
    operands.forEach((operand, position) => {
      const value = operand[places[position]?.[index] ?? 0]
      if (value !== undefined) values.push(value)
    })
    return values.length === operands.length ? compute(values, operandType) : undefined
  })
  return completeData(elements, type)
}

/** For each element of the broadcast shape, the element of the operand that it takes. */
export function broadcastPlaces(from: readonly Dim[], to: readonly Dim[], size: number): number[] {
  const strides: number[] = new Array(to.length).fill(0)
  let stride = 1
  for (let axis = from.length - 1; axis >= 0; axis--) {
    const dim = Number(from[axis])
    if (dim !== 1) strides[axis + to.length - from.length] = stride
    stride *= dim
  }
  return Array.from({ length: size }, (_, index) => {
    let rest = index
    let place = 0
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const dim = Number(to[axis])
      place += (rest % dim) * (strides[axis] ?? 0)
      rest = Math.floor(rest / dim)
    }
    return place
  })
}

/** Expressions are whole numbers. */
const isSafe = (element: Dim): boolean => typeof element !== 'number' || Number.isSafeInteger(element)

const isWhole = (type: ElementType | undefined): boolean => type !== undefined && ranges[type] !== undefined

const numeric =
  (compute: (value: number) => number): ElementFunction =>
  ([a]) =>
    typeof a === 'number' ? compute(a) : undefined

/** Rounding changes no whole number, and expressions are whole. */
const rounding =
  (compute: (value: number) => number): ElementFunction =>
  ([a]) =>
    typeof a === 'number' ? compute(a) : a

/** A truth: 1, 0, or undefined where neither is proved. */
const truth = (isTrue: boolean, isFalse: boolean): Dim | undefined => (isTrue ? 1 : isFalse ? 0 : undefined)

const isTrue = (element: Dim | undefined): boolean => element !== undefined && provablyDifferent(element, 0)

/** Expressions are whole numbers: with a fraction, or a division that is not even, they leave what can be held. */
const wholeOnly =
  (compute: (a: Dim, b: Dim) => Dim | undefined): ElementFunction =>
  ([a = 0, b = 0]) => {
    if (typeof a === 'number' && typeof b === 'number') return compute(a, b)
    return isSafe(a) && isSafe(b) ? compute(a, b) : undefined
  }

const less = (a: Dim, b: Dim): Dim | undefined => truth(lowerBound(subtract(b, a)) > 0, isAtMost(b, a))

export const elementFunctions = {
  Add: wholeOnly(add),
  Sub: wholeOnly(subtract),
  Mul: wholeOnly(multiply),
  Div: ([a = 0, b = 0], type) => {
    if (isWhole(type)) return truncatingDivide(a, b)
    if (typeof a === 'number' && typeof b === 'number') return a / b
    return isSafe(a) && isSafe(b) ? exactDivide(a, b) : undefined
  },
  Neg: ([a = 0]) => multiply(a, -1),
  Abs: ([a = 0]) => {
    if (typeof a === 'number') return Math.abs(a)
    return lowerBound(a) >= 0 ? a : upperBound(a) <= 0 ? multiply(a, -1) : undefined
  },
  Floor: rounding(Math.floor),
  Ceil: rounding(Math.ceil),
  Round: rounding(roundHalfToEven),
  Relu: ([a = 0]) => maximum(a, 0),
  Sqrt: numeric(Math.sqrt),
  Reciprocal: numeric((value) => 1 / value),
  Sign: ([a = 0]) => (lowerBound(a) > 0 ? 1 : a === 0 ? 0 : upperBound(a) < 0 ? -1 : undefined),
  Min: (operands) => operands.reduce(minimum),
  Max: (operands) => operands.reduce(maximum),
  Sum: (operands) => (operands.every(isSafe) ? operands.reduce(add) : undefined),
  Pow: ([a = 0, b = 0]) => {
    if (typeof b !== 'number' || !isSafe(a) || b < 0) return undefined
    if (typeof a === 'number') return Number.isInteger(b) ? a ** b : undefined
    return b === 0 ? 1 : b === 1 ? a : b === 2 ? multiply(a, a) : undefined
  },
  And: ([a = 0, b = 0]) => truth(isTrue(a) && isTrue(b), a === 0 || b === 0),
  Or: ([a = 0, b = 0]) => truth(isTrue(a) || isTrue(b), a === 0 && b === 0),
  Xor: ([a = 0, b = 0]) => truth(isTrue(a) !== isTrue(b) && (a === 0 || b === 0), equalDims(a, b)),
  Not: ([a = 0]) => truth(a === 0, isTrue(a)),
  Equal: ([a = 0, b = 0]) => truth(equalDims(a, b), provablyDifferent(a, b)),
  Less: ([a = 0, b = 0]) => less(a, b),
  Greater: ([a = 0, b = 0]) => less(b, a),
  LessOrEqual: ([a = 0, b = 0]) => truth(isAtMost(a, b), less(b, a) === 1),
  GreaterOrEqual: ([a = 0, b = 0]) => truth(isAtMost(b, a), less(a, b) === 1),
  Where: ([condition = 0, a = 0, b = 0]) => {
    if (isTrue(condition) || equalDims(a, b)) return a
    return condition === 0 ? b : undefined
  },
} satisfies Record<string, ElementFunction>

/** The remainder: with the divisor's sign, or with the dividend's (`fmod`). */
export const remainder =
  (fmod: boolean): ElementFunction =>
  ([a = 0, b = 0]) => {
    if (typeof a === 'number' && typeof b === 'number') {
      if (b === 0 || !isSafe(a) || !isSafe(b)) return undefined
      return fmod ? a % b : a - b * Math.floor(a / b)
    }
    if (fmod && !(lowerBound(a) >= 0 && lowerBound(b) >= 0)) return undefined
    return modulo(a, b)
  }

/** min(max(a, lowest), highest), with the bounds that are given. */
export function clipElement(a: Dim, lowest: Dim | undefined, highest: Dim | undefined): Dim | undefined {
  const given = [a, lowest, highest].filter((element) => element !== undefined)
  if (!given.every(isSafe) && given.some((element) => typeof element !== 'number')) return undefined
  const raised = lowest === undefined ? a : maximum(a, lowest)
  return highest === undefined ? raised : minimum(raised, highest)
}

/** The element in another type. */
export function castElement(element: Dim, from: ElementType | undefined, to: ElementType): Dim | undefined {
  if (to === 'bool') return isTrue(element) ? 1 : element === 0 ? 0 : undefined
  if (typeof element === 'number' && isWhole(to) && !isWhole(from)) return inType(Math.trunc(element) + 0, to)
  return inType(element, to)
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
