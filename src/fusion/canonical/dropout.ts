import type { Node } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/** Dropout(x) → x: outside training it hands its input on. */
export const dropout = defineFusion({
  name: 'dropout',
  roots: ['Dropout'],
  rewrite(root) {
    const [x] = root.inputs
    return x === undefined ? undefined : (whyActive(root) ?? x)
  },
})

/** Training mode has been `is_test = 0` (before opset 7) and an input (since opset 12); the mask is a second output. */
function whyActive(dropout: Node): string | undefined {
  const mask = dropout.outputs[1]
  if (mask?.isUsed) return `its mask "${mask}" is used`
  if (dropout.opset < 7 && dropout.int('is_test', 0) === 0) return 'it is in training mode (is_test = 0)'
  const training = dropout.inputs[2]
  if (training === undefined) return undefined
  if (training.constant === undefined) return `whether it is in training mode is computed ("${training}")`
  return training.constant.scalar === 0 ? undefined : 'it is in training mode (training_mode = true)'
}
