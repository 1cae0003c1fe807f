import { sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, constant, either, node } from '../pattern.ts'
import { microsoft, microsoftDomain } from './microsoft.ts'

const x = any()
const bias = constant()
const add = node('Add', [x, bias], { commutative: true })
const pattern = either(node('Gelu', [add], { domain: microsoftDomain }), node('Gelu', [add]))

/** Gelu(x + b) → BiasGelu(x, b), for b of shape [C] and x of shape […, C]. The tanh form: FastGelu has a bias input. */
export const biasGelu = defineFusion({
  name: 'bias-gelu',
  pattern,
  conditions: [
    (_match, { target }) => (target === 'onnx' ? 'BiasGelu is not in the ONNX standard' : undefined),
    ({ root }) => (root.string('approximate', 'none') === 'none' ? undefined : 'it is the tanh form'),
    (match, context) => {
      const { dims } = match.tensor(bias)
      const channels = context.shape(match.value(x))?.at(-1)
      return dims.length === 1 && sameDim(dims[0], channels)
        ? undefined
        : `its bias of [${dims}] is not one number a channel`
    },
  ],
  replace: (match, graph) => microsoft(graph, match.root, 'BiasGelu', [match.value(x), match.value(bias)]).output,
})
