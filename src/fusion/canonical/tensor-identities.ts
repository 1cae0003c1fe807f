import type { Tensor } from '../../graph/index.ts'

/** Bytes looked at before tensors are compared as a whole. */
const sampleSize = 16

/** Gives equal tensors (element type, dims and bytes) one number, and different ones different numbers. Copies nothing. */
export class TensorIdentities {
  readonly #ids = new WeakMap<Tensor, number>()
  readonly #alike = new Map<string, Tensor[]>()
  #count = 0

  idOf(tensor: Tensor): number {
    let id = this.#ids.get(tensor)
    if (id === undefined) {
      id = this.#find(tensor)
      this.#ids.set(tensor, id)
    }
    return id
  }

  #find(tensor: Tensor): number {
    const key = `${tensor.elementType}[${tensor.dims}]${sample(tensor)}`
    const alike = this.#alike.get(key)
    const equal = alike?.find((other) => equalBytes(tensor, other))
    if (equal !== undefined) return this.#ids.get(equal) ?? 0
    if (alike === undefined) this.#alike.set(key, [tensor])
    else alike.push(tensor)
    return ++this.#count
  }
}

/** Enough of the contents to tell most tensors apart; for data outside the file its place, so that it is not read. */
function sample(tensor: Tensor): string | number {
  const { external } = tensor
  if (external !== undefined) return `@${external.location}:${external.offset}:${external.length}`
  if (tensor.elementType === 'string') return JSON.stringify(tensor.proto?.stringData?.map((text) => [...text]))
  const { bytes } = tensor
  const step = Math.max(1, Math.floor(bytes.length / sampleSize))
  // FNV-1a
  let hash = 0x811c9dc5
  for (let place = 0; place < bytes.length; place += step) hash = Math.imul(hash ^ (bytes[place] ?? 0), 0x01000193)
  return hash
}

function equalBytes(a: Tensor, b: Tensor): boolean {
  if (a.external !== undefined || a.elementType === 'string') return true
  const [left, right] = [a.bytes, b.bytes]
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}
