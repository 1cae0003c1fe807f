import { headSize, keyHeads, layers, vocabulary } from './decoder.ts'
import { side } from './detector.ts'
import type { PlainTensor, PlainTensors } from './run-steps.ts'

const int64 = (dims: readonly number[], data: readonly number[]): PlainTensor => ({ type: 'int64', dims, data })
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index)

export const float32 = (dims: readonly number[], seed = 1): PlainTensor => ({
  type: 'float32',
  dims,
  data: upTo(dims.reduce((product, size) => product * size, 1)).map((index) => Math.sin(seed * index * index)),
})

/** What the encoder reads: all but the first sentence padded. */
export const sentences = (batch: number, length: number, seed = 5): PlainTensors => {
  const dims = [batch, length]
  const places = upTo(batch * length)
  const numbers = (f: (place: number) => number) => int64(dims, places.map(f))
  return {
    input_ids: numbers((place) => (place * 37 + seed) % 60),
    attention_mask: numbers((place) => Number(place < length || place % length < length - 3)),
    token_type_ids: numbers((place) => Number(place % length > 3)),
  }
}

export const image = (seed = 1): PlainTensors => ({ images: float32([1, 3, side, side], seed) })

const cacheNames = (prefix: string): string[] =>
  upTo(layers).flatMap((layer) => ['key', 'value'].map((kind) => `${prefix}.${layer}.${kind}`))

/** The decoder's keys and values: the name of each as an output by its name as an input. */
export const cache: Readonly<Record<string, string>> = Object.fromEntries(
  cacheNames('').map((name) => [`past_key_values${name}`, `present${name}`]),
)

/** For the decoder: a prompt of forty tokens, then one token at a time. */
export const tokens: readonly PlainTensors[] = [[0, 40], ...upTo(4, 40).map((past) => [past, 1])].map(
  ([past = 0, count = 0]) => ({
    input_ids: int64(
      [1, count],
      upTo(count, past).map((place) => (place * 29 + 3) % vocabulary),
    ),
    attention_mask: int64([1, past + count], Array(past + count).fill(1)),
    position_ids: int64([1, count], upTo(count, past)),
    ...(past === 0 &&
      Object.fromEntries(Object.keys(cache).map((name) => [name, float32([1, keyHeads, 0, headSize])]))),
  }),
)
