import { Tensor } from '../dist/index.js'

/** The largest difference relative to the largest value; infinity where shapes, types, text or NaNs differ. */
export function difference(before, after) {
  let worst = 0
  for (const [name, a] of Object.entries(before)) {
    const b = after[name]
    if (a?.data === undefined || b?.data === undefined) continue
    if (a.type !== b?.type || String(a.dims) !== String(b.dims)) return Number.POSITIVE_INFINITY
    if (a.type === 'string') {
      if (a.data.some((text, i) => text !== b.data[i])) return Number.POSITIVE_INFINITY
      continue
    }
    const [left, right] = [numbers(a), numbers(b)]
    let largest = 0
    let error = 0
    for (let i = 0; i < left.length; i++) {
      if (Object.is(left[i], right[i]) || left[i] === right[i])
        largest = Math.max(largest, Number.isFinite(left[i]) ? Math.abs(left[i]) : 0)
      else {
        const distance = Math.abs(left[i] - right[i])
        if (Number.isNaN(distance)) return Number.POSITIVE_INFINITY
        error = Math.max(error, distance)
        largest = Math.max(largest, Math.abs(left[i]))
      }
    }
    worst = Math.max(worst, error / (largest || 1))
  }
  return worst
}

const numbers = (tensor) =>
  tensor.type === 'float16'
    ? Array.from(
        Tensor.fromBytes(
          'float16',
          [...tensor.dims],
          new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
        ).toNumbers(),
      )
    : Array.from(tensor.data, Number)
