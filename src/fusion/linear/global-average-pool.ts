import type { Node, Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/**
 * ReduceMean(x) over all axes of an image, kept with size 1 → GlobalAveragePool(x), which needs no other layout on a GPU.
 *
 * The means inside a normalisation stay what they are, to be recognised; and so does a mean over the last axis of three, unless a
 * convolution says that it is a signal.
 */
export const globalAveragePool = defineFusion({
  name: 'global-average-pool',
  roots: ['ReduceMean'],
  rewrite(root, graph, context) {
    const [x, axesInput] = root.inputs
    const given = axesInput?.constant
    const axes = given === undefined ? root.ints('axes') : Array.from(given.toNumbers())
    if (x === undefined || axes === undefined || axes.length === 0 || root.int('keepdims', 1) !== 1) return undefined
    const shape = context.shape(x)
    const rank = shape?.length
    if (shape === undefined || rank === undefined) return `the rank of "${x}" is unknown`
    const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)))
    if (rank < 3 || reduced.size !== rank - 2 || reduced.has(0) || reduced.has(1)) return undefined
    if (rank === 3 && !isConvolved(x)) return undefined
    if (isStatistic(root, x)) return undefined
    if (!shape.slice(1).every(context.isPositive)) return 'its image may have no pixels, which a pool does not take'
    const type = context.elementType(x)
    // onnxruntime-web has kernels for these two alone.
    if (type !== 'float32' && type !== 'float16') {
      return `a GlobalAveragePool of ${type ?? 'an unknown type'} has no kernel`
    }
    if (root.opset >= 22 && context.target !== 'onnx') return 'GlobalAveragePool of opset 22 has no WebGPU kernel'
    return graph.op('GlobalAveragePool', [x], {}, { like: root })
  },
})

const activations = new Set(['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'Clip', 'HardSwish', 'Elu', 'BatchNormalization'])

/** Whether a convolution computes it, an activation between or not. */
function isConvolved({ producer }: Value): boolean {
  const before = producer !== undefined && activations.has(producer.op) ? producer.inputs[0]?.producer : producer
  return before?.is('Conv') === true
}

const statistical = new Set(['Sub', 'Sqrt', 'Pow', 'ReduceMean'])

/** A mean that is taken from its data, or whose root is: part of a normalisation, as is a mean of squares. */
function isStatistic({ output }: Node, x: Value): boolean {
  const squared = x.producer?.is('Pow') || (x.producer?.is('Mul') && x.producer.inputs[0] === x.producer.inputs[1])
  const addsEpsilon = (user: Node): boolean =>
    user.is('Add') && user.inputs.some((input) => input?.constant?.scalar !== undefined)
  return squared === true || [...output.users].some((user) => statistical.has(user.op) || addsEpsilon(user))
}
