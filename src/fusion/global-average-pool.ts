import { defineFusion } from './define-fusion.ts'

/** ReduceMean(x) over all axes of an image, kept with size 1 → GlobalAveragePool(x), which needs no other layout on a GPU. */
export const globalAveragePool = defineFusion({
  name: 'global-average-pool',
  roots: ['ReduceMean'],
  rewrite(root, graph, context) {
    const [x, axesInput] = root.inputs
    const axes =
      axesInput === undefined ? root.ints('axes') : axesInput.constant && Array.from(axesInput.constant.toNumbers())
    if (x === undefined || axes === undefined || root.int('keepdims', 1) === 0 || !axes.length) return undefined
    const rank = context.shape(x)?.length
    if (rank === undefined) return `the rank of "${x}" is unknown`
    const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)))
    if (rank < 3 || reduced.size !== rank - 2 || reduced.has(0) || reduced.has(1)) return undefined
    const type = context.elementType(x)
    // onnxruntime-web has kernels for these two alone.
    if (type !== 'float32' && type !== 'float16')
      return `a GlobalAveragePool of ${type ?? 'an unknown type'} has no kernel`
    if (root.opset >= 22 && context.target !== 'onnx') return 'GlobalAveragePool of opset 22 has no WebGPU kernel'
    return graph.op('GlobalAveragePool', [x], {}, { like: root })
  },
})
