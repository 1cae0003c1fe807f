import { isFloat, type Tensor } from '../../graph/index.ts'

/** How far a tensor is from the one it should equal. */
export interface Difference {
  /** max |a − b| over the elements; undefined where there is no such number (other shape or type, NaN against a number, strings). */
  maxAbsError: number | undefined
  /**
   * maxAbsError / max |a|: relative to the largest magnitude in the tensor, so that an element near zero is no large error.
   * Where every element should be zero, maxAbsError itself.
   */
  maxRelError: number | undefined
  /** Why it counts as different whatever the tolerance. */
  reason: string | undefined
}

const same: Difference = { maxAbsError: 0, maxRelError: 0, reason: undefined }
const different = (reason: string): Difference => ({ maxAbsError: undefined, maxRelError: undefined, reason })

/**
 * Compares a tensor with the one it should equal. NaN equals NaN, and an infinity itself; integers, booleans, strings and types below a byte
 * must be the same.
 * @param smallestMagnitude What errors are relative to where the tensor's largest magnitude is below it.
 */
export function compare(expected: Tensor, actual: Tensor, smallestMagnitude = 0): Difference {
  const { elementType, dims } = expected
  if (actual.elementType !== elementType) return different(`it is ${actual.elementType} instead of ${elementType}`)
  if (String(actual.dims) !== String(dims)) return different(`its shape is [${actual.dims}] instead of [${dims}]`)
  if (elementType === 'string') return compareStrings(expected, actual)
  if (!expected.hasNumbers) {
    return equalBytes(expected.bytes, actual.bytes) ? same : different(`its ${elementType} elements differ`)
  }
  return compareNumbers(expected, actual, smallestMagnitude)
}

function compareNumbers(expected: Tensor, actual: Tensor, smallestMagnitude: number): Difference {
  const a = numbers(expected)
  const b = numbers(actual)
  let error = 0
  let magnitude = smallestMagnitude
  for (let index = 0; index < a.length; index++) {
    const p = a[index]
    const q = b[index]
    const x = Number(p)
    if (Number.isFinite(x)) magnitude = Math.max(magnitude, Math.abs(x))
    if (p === q) continue
    const y = Number(q)
    if (Number.isNaN(x) && Number.isNaN(y)) continue
    if (!Number.isFinite(x) || !Number.isFinite(y)) return different(`element ${index} is ${y} instead of ${x}`)
    // Two 64-bit integers may differ and be the same float64.
    error = Math.max(error, Math.abs(typeof p === 'bigint' && typeof q === 'bigint' ? Number(p - q) : x - y))
  }
  if (error === 0) return same
  const difference = { maxAbsError: error, maxRelError: magnitude === 0 ? error : error / magnitude, reason: undefined }
  if (isFloat(expected.elementType)) return difference
  return { ...difference, reason: `its ${expected.elementType} elements differ by up to ${error}` }
}

const numbers = (tensor: Tensor): ArrayLike<number | bigint> =>
  tensor.elementType === 'float16' || tensor.elementType === 'bfloat16' ? tensor.toNumbers() : tensor.toTypedArray()

function compareStrings(expected: Tensor, actual: Tensor): Difference {
  const a = expected.proto?.stringData ?? []
  const b = actual.proto?.stringData ?? []
  const index = a.findIndex((text, place) => !equalBytes(text, b[place] ?? new Uint8Array(0)))
  return index < 0 ? same : different(`its string ${index} differs`)
}

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** The largest magnitude of the finite elements; undefined when there is none (all NaN or infinite). */
export function largestMagnitude(tensor: Tensor): number | undefined {
  const elements = numbers(tensor)
  let largest: number | undefined
  for (let index = 0; index < elements.length; index++) {
    const magnitude = Math.abs(Number(elements[index]))
    if (Number.isFinite(magnitude) && magnitude >= (largest ?? 0)) largest = magnitude
  }
  return largest
}
