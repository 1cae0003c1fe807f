import { defineFusion } from '../define-fusion.ts'

/** Concat(Split(x)) → x: all parts, in their order, along the same axis. */
export const splitConcat = defineFusion({
  name: 'split-concat',
  roots: ['Concat'],
  rewrite(root, _graph, context) {
    const split = root.inputs[0]?.producer
    const x = split?.inputs[0]
    if (split?.is('Split') !== true || x === undefined) return undefined
    const parts =
      split.outputs.length === root.inputs.length && split.outputs.every((part, i) => part === root.inputs[i])
    if (!parts) return undefined
    const rank = context.shape(x)?.length
    const [from, to] = [split.int('axis', 0), root.int('axis', 1)].map((axis) =>
      axis < 0 && rank !== undefined ? axis + rank : axis,
    )
    return from === to ? x : undefined
  },
})
