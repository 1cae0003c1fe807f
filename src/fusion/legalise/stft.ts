import { int64, type Operand, Tensor } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'
import { unsqueeze } from './unsqueeze.ts'

/** STFT(x, step, window, length) → DFT of the frames x[step·f + i], gathered, each times the window. */
export const lowerStft = defineLowering({
  name: 'lower-stft',
  op: 'STFT',
  form: ['Gather', 'Mul', 'DFT', 'Unsqueeze'],
  lower(root, graph, context) {
    const [signal, step, window, length] = root.inputs
    if (signal === undefined || step === undefined) return undefined
    const shape = context.shape(signal)
    const stride = single(context.data(step))
    const frame = length === undefined ? window && context.shape(window)?.[0] : single(context.data(length))
    const samples = shape?.[1]
    if (typeof stride !== 'number' || typeof frame !== 'number') return `its step and length are ${stride} and ${frame}`
    if (typeof samples !== 'number') return `the number of samples is ${samples}`
    const rank = shape?.length
    if (rank === 3 && shape?.[2] !== 1) return 'its samples are complex'
    const frames = Math.floor((samples - frame) / stride) + 1
    const [starts, offsets] = [range(frames * stride, stride), range(frame, 1)].map((bounds) =>
      graph.op('Range', bounds),
    )
    const places = graph.op('Add', [unsqueeze(graph, starts, [1]), offsets])
    const framed = graph.op('Gather', [signal, places], { axis: 1 })
    // [batch, frames, frame, 1]
    const real = rank === 2 ? unsqueeze(graph, framed, [3]) : framed
    const weighted = window === undefined ? real : graph.op('Mul', [real, unsqueeze(graph, window, [1])])
    const attributes = { onesided: root.int('onesided', 1) }
    if (root.opset < 20) return graph.op('DFT', [weighted], { ...attributes, axis: 2 }, { like: root })
    return graph.op('DFT', [weighted, undefined, int64(2)], attributes, { like: root })
  },
})

const single = (data: readonly unknown[] | undefined): unknown => (data?.length === 1 ? data[0] : undefined)

/** The bounds of a Range from 0. */
const range = (end: number, step: number): Operand[] =>
  [0, end, step].map((bound) => Tensor.fromNumbers('int32', [], [bound]))
