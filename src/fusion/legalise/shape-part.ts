import { defineFusion } from '../define-fusion.ts'

/** Shape(x)[i : j], taken by a Gather or a Slice of positions that follow one another → Shape(x; start, end). */
export const shapePart = defineFusion({
  name: 'shape-part',
  roots: ['Gather', 'Slice'],
  rewrite(root, graph, context) {
    const shape = root.inputs[0]?.producer
    const [x] = shape?.inputs ?? []
    if (context.target === 'onnx' || shape?.is('Shape') !== true || x === undefined || root.opset < 15) return undefined
    if (shape.int('start', 0) !== 0 || shape.attributes.has('end')) return undefined
    const operands = root.inputs.slice(1).map((input) => input && context.data(input))
    const [first, last] = operands
    const position = first?.[0]
    if (typeof position !== 'number') return undefined
    const rank = context.shape(x)?.length
    if (root.op === 'Gather') {
      // A scalar position takes the axis away.
      if (root.inputs[1] === undefined || context.shape(root.inputs[1])?.length !== 1 || root.int('axis', 0) !== 0)
        return undefined
      if (!first?.every((element, index) => element === position + index)) return undefined
      const end = position + first.length
      if (end === 0) return graph.op('Shape', [x], { start: position }, { like: root })
      return position < 0 && end > 0 ? undefined : graph.op('Shape', [x], { start: position, end }, { like: root })
    }
    const end = last?.[0]
    if (typeof end !== 'number' || first?.length !== 1 || last?.length !== 1) return undefined
    if (operands.slice(3).some((stride) => stride?.[0] !== 1)) return undefined
    // Shape clamps its ends as Slice does; "to the end" is the largest int64.
    const toEnd = end > (rank ?? 2 ** 31)
    return graph.op('Shape', [x], toEnd ? { start: position } : { start: position, end }, { like: root })
  },
})
