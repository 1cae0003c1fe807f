import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'
import { reduce } from './reduce.ts'

/** MeanVarianceNormalization(x) → d / (√mean d² + 10⁻⁹) with d = x − mean x. The runtime's own has no 10⁻⁹: where d = 0 it gives NaN, the standard 0. */
export const lowerMeanVarianceNormalization = defineLowering({
  name: 'lower-mean-variance-normalization',
  op: 'MeanVarianceNormalization',
  form: ['ReduceMean', 'Sub', 'Mul', 'Sqrt', 'Add', 'Div'],
  lower(root, graph, context) {
    const [x] = root.inputs
    if (x === undefined) return undefined
    const axes = root.ints('axes') ?? [0, 2, 3]
    const distance = graph.op('Sub', [x, reduce(graph, 'ReduceMean', x, axes)])
    const variance = reduce(graph, 'ReduceMean', graph.op('Mul', [distance, distance]), axes)
    const deviation = graph.op('Add', [graph.op('Sqrt', [variance]), numberLike(x, context)(1e-9)])
    return graph.op('Div', [distance, deviation], {}, { like: root })
  },
})
