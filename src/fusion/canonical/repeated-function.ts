import { defineFusion } from '../define-fusion.ts'

/** Functions that change nothing the second time, and those that undo themselves. */
const idempotent = new Set(['Relu', 'Abs', 'Ceil', 'Floor', 'Round', 'Sign'])
const involutions = new Set(['Neg', 'Not'])

/** f(f(x)) → f(x) for Relu, Abs, Ceil, Floor, Round, Sign; −(−x) → x, ¬¬x → x. */
export const repeatedFunction = defineFusion({
  name: 'repeated-function',
  roots: [...idempotent, ...involutions],
  rewrite(root) {
    const [once] = root.inputs
    if (once?.producer?.is(root.op) !== true) return undefined
    return idempotent.has(root.op) ? once : once.producer.inputs[0]
  },
})
