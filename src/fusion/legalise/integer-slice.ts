import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import type { Dim, FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'
import { isOnGpu } from './on-gpu.ts'

/** Positions of more elements are not written out. */
const mostPositions = 4096

/** Slice(x) → Gather(x, its positions) along each axis, for integers on the GPU: WebGPU slices floats alone. */
export const integerSlice = defineFusion({
  name: 'integer-slice',
  roots: ['Slice'],
  rewrite(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    if (context.target === 'onnx' || x === undefined || (type !== 'int32' && type !== 'uint32')) return undefined
    if (x.constant !== undefined || !isOnGpu(x, context)) return undefined
    if (runsOnWeb('Slice', root.opset, type, context) || !runsOnWeb('Gather', root.opset, type, context))
      return undefined
    const shape = context.shape(x)
    const cuts = shape && cutsOf(root, shape, context)
    if (shape === undefined || cuts === undefined) return 'its bounds are not known'
    if (typeof cuts === 'string') return cuts
    return cuts.reduce(
      (rest: Value, cut, index) => gather(graph, rest, cut, index === cuts.length - 1 ? { like: root } : {}),
      x,
    )
  },
})

interface Cut {
  readonly axis: number
  readonly positions: readonly number[]
}

const gather = (graph: GraphBuilder, x: Value, { axis, positions }: Cut, options: { like?: Node }): Value =>
  graph.op('Gather', [x, int64(positions)], { axis }, options)

function cutsOf(root: Node, shape: readonly Dim[], context: FusionContext): Cut[] | string | undefined {
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((index) => {
    const input = root.inputs[index]
    return input && context.data(input)
  })
  if (starts === undefined || ends === undefined) return undefined
  if ((axes === undefined && root.inputs[3]) || (steps === undefined && root.inputs[4])) return undefined
  const cuts: Cut[] = []
  for (const [index, start] of starts.entries()) {
    const given = axes?.[index] ?? index
    const [end, step] = [ends[index], steps?.[index] ?? 1]
    const axis = typeof given === 'number' && given < 0 ? given + shape.length : given
    const size = typeof axis === 'number' ? shape[axis] : undefined
    if (typeof axis !== 'number' || typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number')
      return undefined
    if (typeof size !== 'number') return `the size of axis ${axis} is ${size}`
    const positions = positionsOf(size, start, end, step)
    if (positions.length > mostPositions) return `it takes ${positions.length} along axis ${axis}`
    cuts.push({ axis, positions })
  }
  return cuts
}

/** The largest whole numbers stand for an end that is not given, backwards too. */
const isOpen = (end: number): boolean => end === 2 ** 31 - 1 || end === 2 ** 63

/** What Slice takes of an axis: bounds below 0 count from its end, and those beyond it are brought back. */
function positionsOf(size: number, start: number, end: number, step: number): number[] {
  const [least, most] = step > 0 ? [0, size] : [-1, size - 1]
  const bound = (number: number): number => Math.min(Math.max(number < 0 ? number + size : number, least), most)
  const first = step > 0 ? bound(start) : Math.min(Math.max(start < 0 ? start + size : start, 0), size - 1)
  const last = step < 0 && isOpen(end) ? -1 : bound(end)
  return Array.from({ length: Math.max(0, Math.ceil((last - first) / step)) }, (_, index) => first + index * step)
}
