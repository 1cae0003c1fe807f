import { defineFusion } from '../define-fusion.ts'
import { broadcastsWithin, constantOperand, isFilledWith } from './constant-operand.ts'

const neutral: Readonly<Record<string, { element: number; onRightOnly?: boolean }>> = {
  Mul: { element: 1 },
  Div: { element: 1, onRightOnly: true },
  Add: { element: 0 },
  Sub: { element: 0, onRightOnly: true },
  Pow: { element: 1, onRightOnly: true },
  And: { element: 1 },
  Or: { element: 0 },
  Xor: { element: 0 },
}

/**
 * x·1, x/1, x + 0, x − 0, x¹, x ∧ true, x ∨ false, x ⊻ false → x, where the constant broadcasts within x.
 * −0 + 0 is +0 and becomes −0 here: the two are equal, and only 1/x tells them apart.
 */
export const neutralOperand = defineFusion({
  name: 'neutral-operand',
  roots: Object.keys(neutral),
  rewrite(root, _graph, context) {
    const operand = constantOperand(root)
    const rule = neutral[root.op]
    if (operand === undefined || rule === undefined) return undefined
    const { data, constant, tensor, onRight } = operand
    if ((rule.onRightOnly && !onRight) || !isFilledWith(tensor, rule.element)) return undefined
    if (broadcastsWithin(tensor.dims, data, context)) return data
    return `"${constant}" of dims [${tensor.dims}] may broadcast "${data}" to a larger shape`
  },
})
