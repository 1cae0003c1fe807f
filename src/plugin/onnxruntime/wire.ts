import { type ElementType, elementTypes, Tensor } from '../../graph/index.ts'
import type { ExternalFile, Feeds, WireTensor } from './protocol.ts'

/** A tensor ready to be sent: its bytes are a buffer of their own, not a view that would drag a whole model file along. */
export function toWire(tensor: Tensor): WireTensor {
  const { elementType: type, dims } = tensor
  return { type, dims, data: type === 'string' ? strings(tensor) : own(tensor.bytes) }
}

export function fromWire({ type, dims, data }: WireTensor): Tensor {
  if (!(data instanceof Uint8Array)) return Tensor.fromStrings(dims, data)
  if (!isElementType(type)) throw new TypeError(`The runtime gave a tensor of the unknown type "${type}".`)
  return Tensor.fromBytes(type, dims, data)
}

export const toFeeds = (tensors: Readonly<Record<string, Tensor>>): Feeds =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, toWire(tensor)]))

export const fromFeeds = (feeds: Feeds): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, fromWire(tensor)]))

const isElementType = (type: string): type is ElementType => Object.hasOwn(elementTypes, type)

const own = (bytes: Uint8Array): Uint8Array => (bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice())

const decoder = new TextDecoder()

const strings = (tensor: Tensor): string[] => (tensor.proto?.stringData ?? []).map((bytes) => decoder.decode(bytes))

/** One new buffer that can be handed over without a further copy. It is resizable, so that who has read it can give its memory back at once. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const whole = new Uint8Array(new ArrayBuffer(size, { maxByteLength: size }))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/** Files as they are handed over: those in shared memory as they lie, the others in one buffer, to be transferred. */
export function packed(files: readonly ExternalFile[]): { files: readonly ExternalFile[]; buffer: ArrayBuffer } {
  const isShared = ({ data }: ExternalFile): boolean => data.buffer instanceof SharedArrayBuffer
  const whole = joined(files.filter((file) => !isShared(file)).map(({ data }) => data))
  let offset = 0
  const placed = files.map((file) => {
    if (isShared(file)) return file
    const start = offset
    offset += file.data.byteLength
    return { ...file, data: whole.subarray(start, offset) }
  })
  return { files: placed, buffer: whole.buffer }
}
