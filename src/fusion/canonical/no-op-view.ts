import type { Node } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { integerOperand } from './integer-operand.ts'

type Test = (node: Node, context: FusionContext) => boolean

const always: Test = () => true

/** What must hold, besides the shape that stays, for the elements to stay in their places. */
const keepsElements: Readonly<Record<string, Test>> = {
  Reshape: always,
  Flatten: always,
  Squeeze: always,
  Unsqueeze: always,
  Expand: always,
  Tile: always,
  Transpose: (node, context) => keepsOrder(node.ints('perm'), node.inputs[0] && context.shape(node.inputs[0])),
  // A forward slice as long as its input is the whole of it.
  Slice: (node, context) => {
    const steps = integerOperand(node, 4, 'steps', context)
    return steps === 'absent' || (steps !== 'computed' && steps.every((step) => step > 0))
  },
}

/** Exporters write "to the end" as the largest int32 or int64. */
const theEnd = 2 ** 31 - 1

/** What needs no shape to be seen. */
const changesNothing: Readonly<Record<string, Test>> = {
  Pad: (node, context) => {
    const pads = integerOperand(node, 1, 'pads', context)
    return typeof pads !== 'string' && pads.every((pad) => pad === 0)
  },
  Slice: (node, context) => {
    const operands = ['starts', 'ends', 'steps'].map((name, index) =>
      integerOperand(node, [1, 2, 4][index] ?? 0, name, context),
    )
    const [starts, ends, steps] = operands
    if (typeof starts !== 'object' || typeof ends !== 'object' || steps === undefined) return false
    const stepsAreOne = steps === 'absent' || (steps !== 'computed' && steps.every((step) => step === 1))
    return stepsAreOne && starts.every((start) => start === 0) && ends.every((end) => end >= theEnd)
  },
  Transpose: (node) => node.ints('perm')?.every((axis, place) => axis === place) ?? false,
}

/** Whether a permutation moves axes of size 1 only, so that the elements lie in memory as before. */
export function keepsOrder(perm: readonly number[] | undefined, shape: readonly Dim[] | undefined): boolean {
  if (shape === undefined) return false
  const order = perm ?? shape.map((_, axis) => shape.length - 1 - axis)
  const moved = order.filter((axis) => shape[axis] !== 1)
  return moved.every((axis, place) => place === 0 || axis > (moved[place - 1] ?? 0))
}

/** Reshape, Flatten, Squeeze, Unsqueeze, Expand, Tile, Transpose, Slice, Pad of x → x, where they change nothing. */
export const noOpView = defineFusion({
  name: 'no-op-view',
  roots: [...new Set([...Object.keys(keepsElements), ...Object.keys(changesNothing)])],
  rewrite(root, _graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    if (changesNothing[root.op]?.(root, context)) return x
    if (!sameShape(context.shape(x), context.shape(root.output))) return undefined
    return keepsElements[root.op]?.(root, context) ? x : undefined
  },
})
