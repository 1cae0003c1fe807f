import { int64 } from '../../graph/index.ts'
import { lowerBound, productOf, type Dim as Size } from '../../graph/shapes/index.ts'
import { defineLowering } from './lowering.ts'

/** Compress(x, condition) → Gather(x, the places where the condition, a constant, holds). */
export const lowerCompress = defineLowering({
  name: 'lower-compress',
  op: 'Compress',
  form: ['Gather', 'Reshape'],
  lower(root, graph, context) {
    const [x, condition] = root.inputs
    if (x === undefined || condition === undefined) return undefined
    if (condition.constant === undefined) return 'its condition is computed: how much is left depends on the data'
    const places = Array.from(condition.constant.toNumbers()).flatMap((holds, index) => (holds ? [index] : []))
    const axis = root.int('axis')
    const shape = context.shape(x) as readonly Size[] | undefined
    const size = axis === undefined ? shape && productOf(shape) : shape?.at(axis)
    const needed = (places.at(-1) ?? -1) + 1
    // What a condition says beyond the end counts for nothing.
    if (size === undefined || lowerBound(size) < needed) return `there may be fewer than ${needed} elements`
    const data = axis === undefined ? graph.op('Reshape', [x, int64([-1])]) : x
    return graph.op('Gather', [data, int64(places)], { axis: axis ?? 0 }, { like: root })
  },
})
