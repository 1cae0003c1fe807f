import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../src/graph/index.ts'
import type { Random } from './run-model.ts'

/** Which numbers of a head turn together. */
export type Pairing = 'halves' | 'neighbours'

/** [rows, width], every number in it twice: in both halves, or side by side. */
export function repeatedTable(random: Random, rows: number, width: number, pairing: Pairing = 'halves'): Tensor {
  const half = random.tensor([rows, width / 2]).toNumbers()
  const numbers = Array.from({ length: rows * width }, (_, index) => {
    const [row, column] = [Math.floor(index / width), index % width]
    const once = pairing === 'halves' ? column % (width / 2) : Math.floor(column / 2)
    return half[row * (width / 2) + once] ?? 0
  })
  return Tensor.fromNumbers('float32', [rows, width], numbers)
}

/** A part of the last axis. */
export const lastSlice = (g: GraphBuilder, x: Value, start: number, end: number, step = 1): Value =>
  g.op('Slice', [x, int64([start]), int64([end]), int64([-1]), int64([step])])

/** The two parts of the last axis of x, of `width`, by the operator named. */
export function spellParts(
  g: GraphBuilder,
  x: Value,
  width: number,
  pairing: Pairing,
  by: 'Slice' | 'Split' | 'Gather' = 'Slice',
): [Value, Value] {
  const half = width / 2
  if (by === 'Slice') {
    return pairing === 'halves'
      ? [lastSlice(g, x, 0, half), lastSlice(g, x, half, 2 ** 31)]
      : [lastSlice(g, x, 0, 2 ** 31, 2), lastSlice(g, x, 1, 2 ** 31, 2)]
  }
  if (by === 'Split' && pairing === 'halves')
    return g.node('Split', [x, int64([half, half])], { axis: -1 }, { outputs: 2 }).outputs as [Value, Value]
  const rank = x.shape?.length ?? 4
  const lead = new Array<number>(rank - 1).fill(0)
  const stacked = g.op('Reshape', [x, int64([...lead, ...(pairing === 'halves' ? [2, half] : [half, 2])])])
  const axis = pairing === 'halves' ? -2 : -1
  if (by === 'Gather') return [0, 1].map((index) => g.op('Gather', [stacked, int64(index)], { axis })) as [Value, Value]
  const pieces = g.node('Split', [stacked, int64([1, 1])], { axis }, { outputs: 2 }).outputs
  return pieces.map((piece) => g.op('Squeeze', [piece, int64([axis])])) as [Value, Value]
}

/** Two parts stacked along a new axis: the last for neighbours, the one before it for halves. */
export const spellStack = (g: GraphBuilder, parts: readonly Value[], pairing: Pairing): Value => {
  const axis = pairing === 'halves' ? -2 : -1
  return g.op(
    'Concat',
    parts.map((part) => g.op('Unsqueeze', [part, int64([axis])])),
    { axis },
  )
}

/** The two parts joined again to heads of `width`. */
export function spellJoin(g: GraphBuilder, parts: readonly Value[], width: number, pairing: Pairing, rank = 4): Value {
  if (pairing === 'halves') return g.op('Concat', parts, { axis: -1 })
  return g.op('Reshape', [spellStack(g, parts, pairing), int64([...new Array<number>(rank - 1).fill(0), width])])
}

/** x · cos + rotate(x) · sin, with cosines and sines as wide as x. */
export function spellRotation(
  g: GraphBuilder,
  x: Value,
  width: number,
  [cos, sin]: readonly [Operand, Operand],
  pairing: Pairing,
  by: 'Slice' | 'Split' | 'Gather' = 'Slice',
  rank = x.shape?.length,
): Value {
  const [a, b] = spellParts(g, x, width, pairing, by)
  const rotated = spellJoin(g, [g.op('Neg', [b]), a], width, pairing, rank)
  return g.op('Add', [g.op('Mul', [x, cos]), g.op('Mul', [rotated, sin])])
}

/** [a·cos − b·sin, a·sin + b·cos], with cosines and sines half as wide as x. */
export function spellParted(
  g: GraphBuilder,
  x: Value,
  width: number,
  [cos, sin]: readonly [Operand, Operand],
  pairing: Pairing,
  by: 'Slice' | 'Split' | 'Gather' = 'Slice',
  rank = x.shape?.length,
): Value {
  const [a, b] = spellParts(g, x, width, pairing, by)
  // One constant for both products, as exporters have it.
  const [c, s] = [cos, sin].map((table) => (table instanceof Tensor ? g.constant(table) : table))
  const times = (part: Value, factor: Operand): Value => g.op('Mul', [part, factor])
  const turned = [g.op('Sub', [times(a, c), times(b, s)]), g.op('Add', [times(a, s), times(b, c)])]
  return spellJoin(g, turned, width, pairing, rank)
}
