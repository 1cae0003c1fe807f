import { type GraphBuilder, int64, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { add, exactDivide, multiply, productOf, type Dim as Size } from '../../graph/shapes/index.ts'
import { underShape, viewedValue } from '../canonical/row-major-view.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { dimsVector } from './dims-vector.ts'
import { countsUp, type IndexMap, indexMap, ofNumbers } from './index-map.ts'

/**
 * Gather and GatherND that take every element in order → Reshape; of the first rows in order → Slice. Exporters write an attention
 * mask that way (mask[b, s] for each b and s), with positions that the runtime computes on the CPU.
 */
export const gatherInOrder = defineFusion({
  name: 'gather-in-order',
  roots: ['Gather', 'GatherND'],
  rewrite(root, graph, context) {
    const [data, indices] = root.inputs
    const shape = data && context.shape(data)
    if (context.target === 'onnx' || data === undefined || indices === undefined || shape === undefined)
      return undefined
    if (root.op === 'GatherND') {
      const map = flatIndex(root, shape as readonly Size[], context)
      const count = map && countsUp(map)
      const all = productOf(shape as readonly Size[])
      if (count === undefined) return undefined
      return sameDim(count, all) ? reshape(graph, root, data, context) : firstOfAll(graph, root, data, count, context)
    }
    const axis = root.int('axis', 0)
    const size = shape[axis < 0 ? axis + shape.length : axis]
    const map = indexMap(indices, context)
    const count = map && countsUp(map)
    if (count === undefined || size === undefined) return undefined
    if (map?.shape.length === 0 && sameDim(count, size)) return undefined
    if (sameDim(count, size)) return reshape(graph, root, data, context)
    return firstRows(graph, root, data, map, count, context)
  },
})

/** The data's elements in another shape; through views, which keep their order as well. */
function reshape(graph: GraphBuilder, root: Node, data: Value, context: FusionContext): Value | string {
  const to = context.shape(root.output)
  for (let source: Value | undefined = data; source !== undefined; source = viewedValue(source.producer, context)) {
    const view = underShape(graph, source, [context.shape(source), to], context, { like: root })
    if (view !== undefined) return view
  }
  const vector = to && dimsVector(graph, root, to, context)
  if (vector === undefined) return `more than one size of [${to?.join(', ')}] is not known`
  // A size that is 0 is meant as it is.
  return graph.op('Reshape', [data, vector], { allowzero: 1 }, { like: root })
}

/** The first rows of the data, which hold as many elements as `count`: fewer than it has, or the original would have failed. */
function firstOfAll(
  graph: GraphBuilder,
  root: Node,
  data: Value,
  count: Size,
  context: FusionContext,
): Value | undefined {
  const [, ...rest] = (context.shape(data) ?? []) as readonly Size[]
  const rows = exactDivide(count, productOf(rest))
  const end = rows === undefined ? undefined : dimsVector(graph, root, [rows], context)
  if (rows === undefined || end === undefined) return undefined
  const first = graph.op('Slice', [data, int64([0]), end, int64([0])])
  return underShape(graph, first, [[rows, ...rest], context.shape(root.output)], context, { like: root })
}

/** Rows 0, 1, 2, … of a table, as many as `count`: fewer than it has, or the original would have failed. */
function firstRows(
  graph: GraphBuilder,
  root: Node,
  data: Value,
  map: IndexMap | undefined,
  count: Size,
  context: FusionContext,
): Value | undefined {
  // Positions counted by the runtime are what costs; those that are constant cost nothing.
  if (map === undefined || root.inputs[1]?.constant !== undefined || root.int('axis', 0) !== 0) return undefined
  const long = map.shape.flatMap((size, axis) => (size === 1 ? [] : [axis]))
  const [axis] = long
  const end =
    long.length === 1 ? (sliceEnd(root, axis, data, context) ?? dimsVector(graph, root, [count], context)) : undefined
  if (end === undefined || axis === undefined) return undefined
  const rows = graph.op('Slice', [data, int64([0]), end, int64([0])])
  const added = map.shape.flatMap((_, index) => (index === axis ? [] : [index]))
  if (added.length === 0) return rows
  return graph.op('Unsqueeze', [rows, int64(added)], {}, { like: root })
}

/** The end of the Slice that made the positions, where it cut them from as many as the table has rows: it cuts the table alike. */
function sliceEnd(root: Node, axis: number | undefined, data: Value, context: FusionContext): Value | undefined {
  const slice = root.inputs[1]?.producer
  const [positions, starts, end, axes] = slice?.inputs ?? []
  if (slice?.is('Slice') !== true || positions === undefined || end === undefined) return undefined
  const [axisData, startData] = [axes && context.data(axes), starts && context.data(starts)]
  if (axisData?.length !== 1 || axisData[0] !== axis || startData?.[0] !== 0 || context.data(end)?.length !== 1)
    return undefined
  const rows = context.shape(data)?.[0]
  return axis !== undefined && sameDim(context.shape(positions)?.[axis], rows) ? end : undefined
}

/** Where in the data, counted in row-major order, each element of a GatherND comes from that names every axis. */
function flatIndex(root: Node, shape: readonly Size[], context: FusionContext): IndexMap | undefined {
  const tensor = root.inputs[1]?.constant
  if (tensor !== undefined) return root.int('batch_dims', 0) === 0 ? flatConstant(tensor, shape) : undefined
  const concat = root.inputs[1]?.producer
  const rank = root.inputs[1] && context.shape(root.inputs[1])?.length
  if (concat?.is('Concat') !== true || root.int('batch_dims', 0) !== 0 || rank === undefined) return undefined
  if (![-1, rank - 1].includes(concat.int('axis') ?? 0) || concat.inputs.length !== shape.length) return undefined
  let sum: IndexMap | undefined
  for (const [axis, input] of concat.inputs.entries()) {
    const map = indexMap(input, context)
    if (map === undefined || map.shape.at(-1) !== 1) return undefined
    const stride = shape.slice(axis + 1).reduce((product: Size, size) => multiply(product, size), 1)
    const [offset, steps] = [multiply(map.offset, stride), map.steps.map((step) => multiply(step, stride))]
    if (sum === undefined) sum = { shape: map.shape, offset, steps }
    else {
      if (!map.shape.every((size, index) => sameDim(size, sum?.shape[index]))) return undefined
      const before: IndexMap = sum
      sum = {
        shape: before.shape,
        offset: add(before.offset, offset),
        steps: before.steps.map((step, index) => add(step, steps[index] ?? 0)),
      }
    }
  }
  return sum
}

function flatConstant(tensor: Tensor, shape: readonly Size[]): IndexMap | undefined {
  const sizes = shape.filter((size) => typeof size === 'number')
  if (sizes.length !== shape.length || tensor.dims.at(-1) !== shape.length || tensor.size === 0) return undefined
  const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((product, size) => product * size, 1))
  const elements = tensor.toNumbers()
  const flat = Array.from({ length: tensor.size / sizes.length }, (_, index) =>
    strides.reduce((sum, stride, axis) => sum + stride * (elements[index * sizes.length + axis] ?? 0), 0),
  )
  return ofNumbers(tensor.dims.slice(0, -1), flat)
}
