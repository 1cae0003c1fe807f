import { defineLowering } from './lowering.ts'
import { normalisedAxes } from './normalised-axes.ts'
import { reduce } from './reduce.ts'

/**
 * LogSoftmax(x) → d − log Σ exp d with d = x − max x: the WebGPU kernel of ReduceLogSumExp does not subtract the greatest number by itself.
 * Before opset 13 over all axes from `axis` on together.
 */
export const lowerLogSoftmax = defineLowering({
  name: 'lower-log-softmax',
  op: 'LogSoftmax',
  form: ['ReduceMax', 'Sub', 'ReduceLogSumExp'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const axes = normalisedAxes(root, context)
    if (x === undefined || typeof axes === 'string') return axes as string
    const distance = graph.op('Sub', [x, reduce(graph, 'ReduceMax', x, axes)])
    return graph.op('Sub', [distance, reduce(graph, 'ReduceLogSumExp', distance, axes)], {}, { like: root })
  },
})
