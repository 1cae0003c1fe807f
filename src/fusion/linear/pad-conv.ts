import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { spatialPadding } from './padding.ts'
import { slidingWindow, withWindow } from './sliding-window.ts'

/** Conv(Pad(x)) → Conv(x) with those zeros among its own pads. */
export const padConv = defineFusion({
  name: 'pad-conv',
  roots: ['Conv'],
  rewrite(root, graph, context) {
    const [padded, weight, ...rest] = root.inputs
    const pad = padded?.producer
    const data = pad?.inputs[0]
    if (padded === undefined || pad === undefined || data === undefined || !pad.is('Pad')) return undefined
    const kernel = weight?.constant?.dims.slice(2) ?? root.ints('kernel_shape')
    if (weight === undefined || kernel === undefined) return 'the size of its kernel is unknown'
    const shared = whyShared(padded)
    if (shared !== undefined) return shared
    const window = slidingWindow(root, kernel)
    if (typeof window === 'string') return window
    const padding = spatialPadding(pad, kernel.length, context)
    if (typeof padding === 'string') return padding
    if (padding.value !== 0) return `it pads with ${padding.value}, not with 0`
    const begins = window.begins.map((amount, axis) => amount + (padding.begins[axis] ?? 0))
    const ends = window.ends.map((amount, axis) => amount + (padding.ends[axis] ?? 0))
    return graph.op('Conv', [data, weight, ...rest], withWindow(root, { ...window, begins, ends }), { like: root })
  },
})
