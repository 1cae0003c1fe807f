import { int64 } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'

/** ReverseSequence(x, lengths) → Gather(x, order), where every sequence of the batch is reversed over the same, constant length. */
export const lowerReverseSequence = defineLowering({
  name: 'lower-reverse-sequence',
  op: 'ReverseSequence',
  form: ['Gather'],
  lower(root, graph, context) {
    const [x, lengths] = root.inputs
    const axis = root.int('time_axis', 0)
    const size = x && context.shape(x)?.[axis]
    if (x === undefined || lengths === undefined) return undefined
    if (lengths.constant === undefined) return `"${lengths}" is computed, not a constant`
    if (typeof size !== 'number') return `the number of steps is ${size}`
    const [length = 0, ...others] = lengths.constant.toNumbers()
    if (others.some((other) => other !== length)) return 'its sequences have different lengths'
    const order = Array.from({ length: size }, (_, step) => (step < length ? length - 1 - step : step))
    return graph.op('Gather', [x, int64(order)], { axis }, { like: root })
  },
})
