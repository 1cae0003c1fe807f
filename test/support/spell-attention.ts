import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../src/graph/index.ts'
import type { Random } from './run-model.ts'

/** How an exporter writes attention out. */
export interface AttentionSpelling {
  heads?: number
  /** Features of the model; a head has their share. */
  width?: number
  /** Where the scale is. */
  scale?: 'scores' | 'scores divided' | 'query' | 'query and key' | 'none'
  /** Biases of the projections. */
  bias?: boolean
  /** K is moved to [B, N, H, T] by one Transpose, or by two. */
  keyTranspose?: 'one' | 'two'
  /** What becomes of the scores before the softmax. */
  mask?: (g: GraphBuilder, scores: Value) => Value
  /** What becomes of the keys, and the values, of [B, N, T, H]. */
  past?: (g: GraphBuilder, heads: Value, side: 'key' | 'value') => Value
  /** From whom keys and values are projected. Default: x itself. */
  memory?: Value
  split?: (g: GraphBuilder, projected: Value, heads: number, size: number) => Value
  axis?: number
}

/** Self-attention or cross-attention over x of [B, S, width], with random projections, as exporters write it; gives [B, S, width]. */
export function spellAttention(g: GraphBuilder, random: Random, x: Value, spelling: AttentionSpelling = {}): Value {
  const { heads = 2, width = 8, scale = 'scores', bias = true, keyTranspose = 'one', memory = x } = spelling
  const size = width / heads
  const number = 1 / Math.sqrt(size)
  const project = (from: Value): Value => {
    const projected = g.op('MatMul', [from, random.tensor([width, width], 'float32', [-0.5, 0.5])])
    return bias ? g.op('Add', [random.tensor([width]), projected]) : projected
  }
  const split = spelling.split ?? ((builder, value) => builder.op('Reshape', [value, int64([0, 0, heads, size])]))
  const moved = (value: Value, perm: number[]): Value => g.op('Transpose', [value], { perm })
  const times = (value: Operand, factor: number): Value => g.op('Mul', [value, factor])
  const past = spelling.past ?? ((_builder, value) => value)
  let query = moved(split(g, project(x), heads, size), [0, 2, 1, 3])
  const keys = split(g, project(memory), heads, size)
  const value = past(g, moved(split(g, project(memory), heads, size), [0, 2, 1, 3]), 'value')
  const two = keyTranspose === 'two' || spelling.past !== undefined
  let key = two ? moved(past(g, moved(keys, [0, 2, 1, 3]), 'key'), [0, 1, 3, 2]) : moved(keys, [0, 2, 3, 1])
  if (scale === 'query') query = times(query, number)
  if (scale === 'query and key') [query, key] = [times(query, Math.sqrt(number)), times(key, Math.sqrt(number))]
  let scores = g.op('MatMul', [query, key])
  if (scale === 'scores') scores = times(scores, number)
  if (scale === 'scores divided') scores = g.op('Div', [scores, 1 / number])
  const weights = g.op('Softmax', [spelling.mask?.(g, scores) ?? scores], { axis: spelling.axis ?? -1 })
  const attended = moved(g.op('MatMul', [weights, value]), [0, 2, 1, 3])
  return g.op('Reshape', [attended, int64([0, 0, width])])
}

/** True on and below the diagonal. */
export const triangle = (size: number): Tensor =>
  Tensor.fromNumbers(
    'bool',
    [1, 1, size, size],
    Array.from({ length: size * size }, (_, index) => Number(index % size <= Math.floor(index / size))),
  )
