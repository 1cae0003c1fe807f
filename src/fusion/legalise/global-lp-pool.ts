import { defineLowering } from './lowering.ts'
import { reduce } from './reduce.ts'

/** GlobalLpPool(x; p) → the norm over height, width and so on: ReduceL1 for p = 1, ReduceL2 for p = 2. */
export const lowerGlobalLpPool = defineLowering({
  name: 'lower-global-lp-pool',
  op: 'GlobalLpPool',
  form: ['ReduceL1', 'ReduceL2'],
  lower(root, graph, context) {
    const [x] = root.inputs
    const rank = x && context.shape(x)?.length
    if (x === undefined || rank === undefined) return `the rank of "${x}" is not known`
    const p = root.int('p', 2)
    if (p !== 1 && p !== 2) return `its p is ${p}`
    const axes = Array.from({ length: rank - 2 }, (_, index) => index + 2)
    return reduce(graph, p === 1 ? 'ReduceL1' : 'ReduceL2', x, axes, root)
  },
})
