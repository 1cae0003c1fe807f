import { defineLowering } from './lowering.ts'
import { normalisedAxes } from './normalised-axes.ts'
import { reduce } from './reduce.ts'

/** LogSoftmax(x) → d − log Σ exp d with d = x − max x. Before opset 13 over all axes from `axis` on together. */
export const lowerLogSoftmax = defineLowering({
  name: 'lower-log-softmax',
  op: 'LogSoftmax',
  form: ['ReduceMax', 'Sub', 'Exp', 'ReduceSum', 'Log'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const axes = normalisedAxes(root, context)
    if (x === undefined || typeof axes === 'string') return axes as string
    const distance = graph.op('Sub', [x, reduce(graph, 'ReduceMax', x, axes)])
    const sum = reduce(graph, 'ReduceSum', graph.op('Exp', [distance]), axes)
    return graph.op('Sub', [distance, graph.op('Log', [sum])], {}, { like: root })
  },
})
