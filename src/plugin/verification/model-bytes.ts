import { encode, type Model } from '../../graph/index.ts'
import type { ModelBytes } from '../onnxruntime/thread.ts'

/**
 * A model as the runtime takes it with the least memory: each weight is a file beside it, and a view of the bytes that the model holds. As
 * part of the model it would be in the runtime's memory three times: in the file, in the message read from it, and as a tensor.
 */
export function modelBytes(model: Model): ModelBytes {
  const { chunks, externalChunks = [] } = encode(model, { externalLocation: String })
  return { chunks, externalData: externalChunks.map((data, weight) => ({ path: String(weight), data })) }
}

/** Its size in bytes, weights included. */
export const sizeOf = ({ chunks, externalData = [] }: ModelBytes): number =>
  [...chunks, ...externalData.map(({ data }) => data)].reduce((sum, { byteLength }) => sum + byteLength, 0)
