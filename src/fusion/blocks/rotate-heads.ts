import { type GraphBuilder, int64, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'
import type { Target } from '../target.ts'
import { type Axis, arrange, arrangementsOf, keepsOrder, type ScaledArrangement } from './arrangement.ts'
import { microsoft } from './microsoft.ts'
import type { Pairing } from './rotated-parts.ts'

/** Which axes of a tensor of heads are the heads (none in rank 3), and the positions; the batch is the first, and the features are the last. */
export interface HeadAxes {
  readonly heads: number | undefined
  readonly positions: number
  /** Whether each batch has cosines of its own. */
  readonly batched: boolean
}

export const whyNotMicrosoft = (target: Target): string | undefined =>
  target === 'onnx' ? 'RotaryEmbedding of ONNX Runtime is not in the ONNX standard' : undefined

/** [rows, width] of whatever has rows of that width. */
export const tableOf = (graph: GraphBuilder, rows: Value, width: number): Value | Tensor =>
  rows.constant?.reshape([rows.constant.size / width, width]) ?? graph.op('Reshape', [rows, int64([-1, width])])

/** The axes of x for which its cosines and its sines have a row of `width` for each position; the reason where they have not. */
export function headAxes(x: Value, tables: readonly Value[], width: number, context: FusionContext): HeadAxes | string {
  const shape = context.shape(x) ?? []
  if (shape.length !== 3 && shape.length !== 4) return `it has rank ${shape.length}, not 3 or 4`
  const [axes, other] = tables.map((table) => axesOfTable(shape, context.shape(table), width))
  const same = axes?.positions === other?.positions && axes?.batched === other?.batched
  return axes && same ? axes : 'its cosines are not one row for each position'
}

function axesOfTable(x: readonly Dim[], table: readonly Dim[] | undefined, width: number): HeadAxes | undefined {
  const rank = x.length
  if (table === undefined || table.length > rank || table.at(-1) !== width) return undefined
  const full: Dim[] = [...new Array<Dim>(rank - table.length).fill(1), ...table]
  const rows = full.slice(0, -1).flatMap((dim, axis) => (dim === 1 ? [] : [axis]))
  if (rows.some((axis) => !sameDim(full[axis], x[axis]))) return undefined
  const batched = rows[0] === 0
  const [positions, ...more] = batched ? rows.slice(1) : rows
  // Where there is one position, it may be either axis.
  const axis = positions ?? (rank === 3 ? [1] : [2, 1]).find((one) => x[one] === 1)
  if (axis === undefined || more.length > 0 || (rank === 3 && axis !== 1)) return undefined
  return { heads: rank === 3 ? undefined : 3 - axis, positions: axis, batched }
}

export interface Rotation {
  readonly pairing: Pairing
  readonly axes: HeadAxes
  /** [rows, numbers that turn / 2]: a row for each position, or for each position of each batch. */
  readonly cosines: Value | Tensor
  readonly sines: Value | Tensor
  /** How many numbers of a head turn; undefined: all. */
  readonly turning?: number
}

/**
 * x with its heads rotated, by RotaryEmbedding: of [B, S, N·H] where x is that but for a Reshape (and what splits the heads comes after), else of
 * [B, N, S, H]. Where each batch has cosines of its own, its positions are counted on from batch to batch: [1, B·S, N·H]. Else the reason.
 */
export function rotateHeads(
  graph: GraphBuilder,
  root: Node,
  x: Value,
  rotation: Rotation,
  context: FusionContext,
): Value | string | undefined {
  const { axes, pairing, cosines, sines, turning } = rotation
  const shape = context.shape(x) ?? []
  const [count, size] = [axes.heads === undefined ? 1 : shape[axes.heads], shape.at(-1)]
  if (typeof count !== 'number' || typeof size !== 'number')
    return `heads and their size are ${count} and ${size}, not numbers`
  const attributes = {
    num_heads: count,
    ...(pairing === 'neighbours' ? { interleaved: 1 } : {}),
    ...(turning === undefined ? {} : { rotary_embedding_dim: turning }),
  }
  const rotate = (value: Value): Value =>
    microsoft(graph, root, 'RotaryEmbedding', [value, int64([0]), cosines, sines], attributes).output
  for (const way of arrangementsOf(x, context)) {
    const flat = flatAxes(way, axes)
    if (way.scale !== 1 || flat === undefined || !keepsOrder(way, flat)) continue
    const merged = arrange(graph, way, flat, context)
    const rotated = merged && (axes.batched ? joined(graph, merged, rotate, context) : rotate(merged))
    const result = rotated && arrange(graph, { source: rotated, from: flat, to: way.to }, way.to, context)
    if (result !== undefined) return result
  }
  if (axes.batched) return 'each batch has cosines of its own, and its heads come before its positions'
  return axes.heads === 1 ? rotate(x) : undefined
}

/** [batch, positions, heads · features] */
function flatAxes({ to }: ScaledArrangement, { heads, positions }: HeadAxes): Axis[] | undefined {
  const [ofBatch, ofPositions, features] = [to[0], to[positions], to.at(-1)]
  const ofHeads = heads === undefined ? [] : to[heads]
  return ofBatch && ofPositions && ofHeads && features && [ofBatch, ofPositions, [...ofHeads, ...features]]
}

/** [B, S, F] → [1, B·S, F], rotated, and back. */
function joined(
  graph: GraphBuilder,
  value: Value,
  rotate: (value: Value) => Value,
  context: FusionContext,
): Value | undefined {
  const shape = context.shape(value) ?? []
  const width = shape[2]
  const one = graph.op('Reshape', [value, int64([1, -1, typeof width === 'number' ? width : 0])])
  const turned = rotate(one)
  if (shape.filter((dim) => typeof dim === 'number').length >= 2)
    return graph.op('Reshape', [turned, int64(shape.map((dim) => (typeof dim === 'number' ? dim : -1)))])
  // A size that is 0 is meant as it is, which can be said since opset 14.
  const canBeZero = graph.graph.model.opset >= 14
  if (!canBeZero && !shape.every(context.isPositive)) return undefined
  return graph.op('Reshape', [turned, graph.op('Shape', [value])], canBeZero ? { allowzero: 1 } : {})
}
