import { defineLowering } from './lowering.ts'
import { numberLike } from './number-like.ts'

/** LpPool(x; p) = (Σ |x|^p)^(1/p) → through an average pool: its mean times the size of the kernel. p = 1 and p = 2. */
export const lowerLpPool = defineLowering({
  name: 'lower-lp-pool',
  op: 'LpPool',
  form: ['Abs', 'Mul', 'AveragePool', 'Sqrt'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const p = root.int('p', 2)
    const kernel = root.ints('kernel_shape')
    if (x === undefined || kernel === undefined) return undefined
    if (p !== 1 && p !== 2) return `its p is ${p}`
    if (root.int('ceil_mode', 0) !== 0) return 'it rounds its size up (ceil_mode)'
    if (root.ints('dilations')?.some((dilation) => dilation !== 1)) return 'its kernel is dilated'
    if (root.string('auto_pad', 'NOTSET') !== 'NOTSET') return `its auto_pad is ${root.string('auto_pad', '')}`
    const powers = p === 1 ? graph.op('Abs', [x]) : graph.op('Mul', [x, x])
    const attributes = { kernel_shape: kernel, strides: root.ints('strides'), pads: root.ints('pads') }
    const given = Object.entries(attributes).flatMap(([name, list]) => (list === undefined ? [] : [[name, list]]))
    const mean = graph.op('AveragePool', [powers], { ...Object.fromEntries(given), count_include_pad: 1 })
    const size = numberLike(x, context)(kernel.reduce((product, dim) => product * dim, 1))
    if (p === 1) return graph.op('Mul', [mean, size], {}, { like: root })
    return graph.op('Sqrt', [graph.op('Mul', [mean, size])], {}, { like: root })
  },
})
