import { int64 } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'

/** CenterCropPad(x, shape) → Slice of the axes that shrink, then Pad of those that grow, both around the middle. */
export const lowerCenterCropPad = defineLowering({
  name: 'lower-center-crop-pad',
  op: 'CenterCropPad',
  form: ['Slice', 'Pad'],
  lower(root, graph, context) {
    const [x, target] = root.inputs
    const shape = x && context.shape(x)
    const wanted = target && context.data(target)
    if (x === undefined || shape === undefined || wanted === undefined) return `the shape of ${root} is not known`
    const axes = root.ints('axes') ?? shape.map((_, axis) => axis)
    const [starts, ends, pads] = [
      shape.map(() => 0),
      shape.map((size) => size),
      new Array<number>(2 * shape.length).fill(0),
    ]
    for (const [index, given] of axes.entries()) {
      const axis = given < 0 ? given + shape.length : given
      const [size, to] = [shape[axis], wanted[index]]
      if (typeof size !== 'number' || typeof to !== 'number') return `axis ${axis} is ${size}, to be ${to}`
      // What is left over by halving is taken off, and put on, at the end.
      const start = Math.max(0, Math.floor((size - to) / 2))
      starts[axis] = start
      ends[axis] = start + Math.min(size, to)
      const before = Math.max(0, Math.floor((to - size) / 2))
      pads[axis] = before
      pads[shape.length + axis] = Math.max(0, to - size) - before
    }
    const cut = shape.flatMap((size, axis) => (ends[axis] === size ? [] : [axis]))
    const numbers = (list: readonly unknown[]) => int64(cut.map((axis) => Number(list[axis])))
    const sliced = cut.length === 0 ? x : graph.op('Slice', [x, numbers(starts), numbers(ends), int64(cut)])
    return graph.op('Pad', [sliced, int64(pads)], { mode: 'constant' }, { like: root })
  },
})
