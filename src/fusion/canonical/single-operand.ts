import { defineFusion } from '../define-fusion.ts'

/** Concat(x), Sum(x), Mean(x), Max(x), Min(x) of one operand, and Split(x) into one part → x. */
export const singleOperand = defineFusion({
  name: 'single-operand',
  roots: ['Concat', 'Sum', 'Mean', 'Max', 'Min', 'Split'],
  rewrite(root) {
    const [x] = root.inputs
    const parts = root.op === 'Split' ? root.outputs.length : root.inputs.length
    return parts === 1 ? x : undefined
  },
})
