import type { Node, Tensor, Value } from '../../graph/index.ts'
import { whyShared } from '../pattern.ts'

/** Which axis of a result has the channels, counted from the end from 1, how many there are, and the rank of the result at least. */
export interface Channels {
  readonly rank: number
  readonly fromEnd: number
  readonly count: number
}

/** A product of whole numbers as floats. */
export interface ScaledResult {
  readonly value: Value
  readonly cast: Node
  /** What else it is multiplied by: one number, or one for each channel. */
  readonly numbers: number[]
}

/**
 * Follows a product of whole numbers through its Cast, and the Muls by the given scales and by constants, which may have been multiplied with each other
 * before. A string is a reason why that is not what becomes of it.
 */
export function scaledResult(product: Value, scales: readonly Value[], channels: Channels): ScaledResult | string {
  const cast = onlyUser(product)
  if (typeof cast === 'string') return cast
  if (!cast.is('Cast')) return `"${product}" is not made floats by a Cast`
  let open = scales
  let value = cast.output
  let numbers = [1]
  // Past what it must be multiplied by, one constant may follow: the weight's scale. Another is none of this.
  for (let hasConstant = false; open.length > 0 || !hasConstant; ) {
    const user = onlyUser(value)
    const factors = typeof user === 'string' ? undefined : factorsBeside(user, value)
    const rest = [...open]
    const constants = factors?.filter((factor) => !takeOut(rest, factor))
    const together = constants && multiplied(numbers, constants, channels)
    if (together === undefined || typeof user === 'string') {
      if (open.length === 0) break
      return typeof user === 'string' ? user : `"${value}" is not multiplied by the scales of its factors`
    }
    open = rest
    numbers = together
    hasConstant ||= (constants?.length ?? 0) > 0
    value = user.output
  }
  return { value, cast, numbers }
}

function onlyUser(value: Value): Node | string {
  const [user] = value.users
  return whyShared(value) ?? user ?? `"${value}" has no user`
}

/** What a Mul multiplies a value by; undefined for other nodes. */
function factorsBeside(node: Node, value: Value): Value[] | undefined {
  const [a, b] = node.inputs
  if (!node.is('Mul') || a === undefined || b === undefined || a === b) return undefined
  return factorsOf(a === value ? b : a, 2)
}

/** The factors of a product of scales; those of which a Cast made another type of float, before it did. */
function factorsOf(value: Value, depth: number): Value[] {
  const { producer } = value
  if (producer?.is('Cast') && producer.inputs[0] !== undefined) return [producer.inputs[0]]
  if (depth === 0 || !producer?.is('Mul')) return [value]
  return producer.inputs.flatMap((input) => (input === undefined ? [] : factorsOf(input, depth - 1)))
}

function takeOut(list: Value[], value: Value): boolean {
  const place = list.indexOf(value)
  if (place >= 0) list.splice(place, 1)
  return place >= 0
}

/** Numbers times constants; undefined where a factor is computed, or neither for all nor for channels. */
function multiplied(numbers: number[], factors: readonly Value[], channels: Channels): number[] | undefined {
  let product = numbers
  for (const { constant } of factors) {
    const more = constant && numbersFor(constant, channels)
    if (more === undefined) return undefined
    const [long, short] = more.length > product.length ? [more, product] : [product, more]
    product = long.map((number, channel) => number * (short[short.length === 1 ? 0 : channel] ?? Number.NaN))
  }
  return product
}

function numbersFor(tensor: Tensor, { rank, fromEnd, count }: Channels): number[] | undefined {
  const { dims, size } = tensor
  const fits = dims.length <= rank && (size === 1 || (size === count && dims.at(-fromEnd) === count))
  return fits && tensor.hasNumbers ? [...tensor.toNumbers()] : undefined
}
