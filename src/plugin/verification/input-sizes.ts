import type { Dimension, Graph, Value } from '../../graph/index.ts'

/** The dims of each input, by its name. */
export type InputSizes = ReadonlyMap<string, readonly number[]>

type Axis = 'batch' | 'channel' | 'height' | 'width' | 'sequence' | 'past'

/**
 * Sizes to try, in this order, until the model runs. A batch of two and an image that is not square come first, because they tell
 * more; then sizes that networks ask for which halve an image five times, read text lines, or listen to a second of sound.
 */
const attempts: readonly Readonly<Record<Axis, number>>[] = [
  { batch: 2, channel: 3, height: 64, width: 96, sequence: 8, past: 3 },
  { batch: 2, channel: 3, height: 64, width: 64, sequence: 16, past: 4 },
  { batch: 1, channel: 3, height: 64, width: 96, sequence: 16, past: 3 },
  { batch: 1, channel: 1, height: 64, width: 64, sequence: 8, past: 0 },
  { batch: 1, channel: 3, height: 32, width: 32, sequence: 32, past: 8 },
  { batch: 1, channel: 4, height: 8, width: 8, sequence: 1, past: 8 },
  { batch: 1, channel: 3, height: 48, width: 192, sequence: 64, past: 0 },
  { batch: 1, channel: 3, height: 224, width: 224, sequence: 128, past: 16 },
  { batch: 1, channel: 1, height: 28, width: 28, sequence: 256, past: 16 },
  { batch: 1, channel: 3, height: 128, width: 128, sequence: 512, past: 16 },
  { batch: 1, channel: 3, height: 256, width: 256, sequence: 1024, past: 16 },
  { batch: 1, channel: 3, height: 320, width: 320, sequence: 3000, past: 16 },
  { batch: 1, channel: 3, height: 640, width: 640, sequence: 16000, past: 16 },
]

/** Ranks to try for an input that says nothing about its shape. */
const ranks = [4, 2, 3, 1, 0]

/** Axes that a dimension's name tells. */
const names: readonly [pattern: RegExp, axis: Axis][] = [
  [/past|cache/i, 'past'],
  [/batch|^(n|b|bs)$/i, 'batch'],
  [/height|^h$/i, 'height'],
  [/width|^w$/i, 'width'],
  [/channel|^c$/i, 'channel'],
  [/seq|len|time|frame|token|sample|^(t|l|s)$/i, 'sequence'],
]

/** Every way to size a graph's inputs that is worth trying, the most telling first. A name stands for one size in all inputs. */
export function* inputSizes(graph: Graph): Generator<InputSizes> {
  const inputs = graph.inputs.filter(({ initializer }) => initializer === undefined)
  const seen = new Set<string>()
  for (const rank of inputs.some(({ shape }) => shape === undefined) ? ranks : [0]) {
    for (const attempt of attempts) {
      const symbols = new Map<string, number>()
      const sizes = new Map(inputs.map((input) => [input.name, sizesOf(input, rank, attempt, symbols)]))
      const key = JSON.stringify([...sizes])
      if (!seen.has(key)) yield sizes
      seen.add(key)
    }
  }
}

function sizesOf(
  input: Value,
  fallbackRank: number,
  attempt: Readonly<Record<Axis, number>>,
  symbols: Map<string, number>,
): number[] {
  const required = requiredSizes(input)
  const rank = Math.max(required.rank ?? fallbackRank, ...[...required.sizes.keys()].map((axis) => axis + 1))
  const shape = input.shape ?? Array.from<Dimension>({ length: rank })
  return shape.map((dimension, index) => {
    if (typeof dimension === 'number') return dimension
    const known = dimension === undefined ? undefined : (symbols.get(dimension) ?? sum(dimension, attempt, symbols))
    const size = known ?? required.sizes.get(index) ?? attempt[axisOf(dimension, index, input.name, shape)]
    if (dimension !== undefined) symbols.set(dimension, size)
    return size
  })
}

/** A name such as `past_sequence_length + sequence_length` or `total_sequence_length` stands for a sum. */
function sum(name: string, attempt: Readonly<Record<Axis, number>>, symbols: Map<string, number>): number | undefined {
  if (/^total/i.test(name)) return attempt.past + attempt.sequence
  const terms = name.split('+').map((term) => term.trim())
  if (terms.length < 2) return undefined
  return terms.reduce((total, term) => {
    if (/^\d+$/.test(term)) return total + Number(term)
    return total + (symbols.get(term) ?? attempt[axisOfName(term) ?? 'sequence'])
  }, 0)
}

const axisOfName = (name: string): Axis | undefined => names.find(([pattern]) => pattern.test(name))?.[1]

/** What a dimension of unknown size is, from its name, else from its place. */
function axisOf(dimension: Dimension, index: number, input: string, shape: readonly Dimension[]): Axis {
  const named = typeof dimension === 'string' ? axisOfName(dimension) : undefined
  if (named !== undefined) return named
  const rank = shape.length
  // Recurrent networks: layers × batch × width.
  const recurrent = rank === 3 && /state|hidden|cell|(^|[._/])[hc](_?[0n])?$/i.test(input)
  if (recurrent) return index === 1 ? 'batch' : 'sequence'
  if (rank === 1) return /batch/i.test(input) ? 'batch' : 'sequence'
  if (index === 0) return 'batch'
  if (rank < 4) return 'sequence'
  const channelLast = typeof shape[rank - 1] === 'number' && typeof shape[1] !== 'number'
  if (index === (channelLast ? rank - 1 : 1)) return 'channel'
  return index === rank - (channelLast ? 2 : 1) ? 'width' : 'height'
}

const elementwise = new Set(`Identity Cast Relu Sigmoid Tanh Mul Add Sub Div Clip Dropout LeakyRelu Neg`.split(' '))

/** What the weights of the operators that take an input say about its rank and sizes. */
function requiredSizes(
  input: Value,
  found = { rank: undefined as number | undefined, sizes: new Map<number, number>() },
  depth = 0,
): { rank: number | undefined; sizes: Map<number, number> } {
  for (const node of input.users) {
    if (node.domain !== '' || node.inputs[0] !== input) continue
    const weight = node.inputs[1]?.shape
    const size = (index: number): number | undefined => {
      const dimension = weight?.at(index)
      return typeof dimension === 'number' ? dimension : undefined
    }
    const require = (axis: number, value: number | undefined, rank?: number): void => {
      found.rank ??= rank
      if (value !== undefined && axis >= 0 && !found.sizes.has(axis)) found.sizes.set(axis, value)
    }
    const last = (input.shape?.length ?? weight?.length ?? 2) - 1
    if (node.op === 'Conv') require(1, (size(1) ?? 1) * node.int('group', 1), weight?.length)
    else if (node.op === 'ConvTranspose') require(1, size(0), weight?.length)
    else if (node.op === 'BatchNormalization') require(1, size(0))
    else if (node.op === 'Gemm') require(node.int('transA', 0) ? 0 : 1, size(node.int('transB', 0) ? 1 : 0), 2)
    else if (node.op === 'MatMul')
      require(last, weight === undefined || weight.length < 2 ? size(0) : size(-2), last + 1)
    else if (/^(LSTM|GRU|RNN)$/.test(node.op)) require(2, size(2), 3)
    else if (elementwise.has(node.op) && depth < 8) requiredSizes(node.output, found, depth + 1)
  }
  return found
}
