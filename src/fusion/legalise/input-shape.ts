import type { Dim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { areOnGpu, dimsSources, dimsVector } from './dims-vector.ts'

/** The inputs that are a list of sizes or positions. */
const operands: Readonly<Record<string, readonly number[]>> = {
  ConstantOfShape: [0],
  Expand: [1],
  Reshape: [1],
  Slice: [1, 2],
  Tile: [1],
}

/**
 * Expand(x, computed) and the like → the same with sizes read from the shapes of the model's inputs: what computed them (Gather, Slice, Cast,
 * Where on sizes) goes, and with it nodes on the CPU.
 */
export const inputShape = defineFusion({
  name: 'input-shape',
  roots: Object.keys(operands),
  rewrite(root, graph, context) {
    if (context.target === 'onnx') return undefined
    let changed = false
    const inputs = root.inputs.map((input, index) => {
      if (input === undefined || operands[root.op]?.includes(index) !== true) return input
      const sources = dimsSources(input)
      if (areOnGpu(sources, context)) return input
      const data: readonly Dim[] | undefined = context.data(input)
      if (data === undefined || data.length === 0 || context.shape(input)?.length !== 1) return input
      if (context.elementType(input) !== 'int64' || data.every((dim) => typeof dim === 'number')) return input
      const vector = dimsVector(graph, root, data, context)
      const isBetter = vector !== undefined && (sources === undefined || areOnGpu(dimsSources(vector), context))
      changed ||= isBetter
      return isBetter ? vector : input
    })
    return changed ? graph.op(root.op, inputs, root.attributes.values(), { like: root }) : undefined
  },
})
