import { defineFusion } from '../define-fusion.ts'
import { any, node, product } from '../pattern.ts'

const x = any()
const hardSigmoid = node('HardSigmoid', [x])

/** x·HardSigmoid(x; ⅙, ½) → HardSwish(x), from opset 14 on. Below, the two nodes are the best there is. */
export const hardSwish = defineFusion({
  name: 'hard-swish',
  pattern: product(1, [hardSigmoid, x]),
  conditions: [
    ({ root }) => (root.opset < 14 ? 'HardSwish is in the ONNX standard from opset 14 on' : undefined),
    ({ root }, { target }) =>
      root.opset >= 22 && target !== 'onnx'
        ? 'the runtime has no WebGPU kernel for it at opset 22 and above'
        : undefined,
    (match) => {
      const gate = match.node(hardSigmoid)
      const [alpha, beta] = [gate.float('alpha', 0.2), gate.float('beta', 0.5)]
      const fits = Math.abs(alpha * 6 - 1) <= 1e-6 && beta === 0.5
      return fits ? undefined : `its α and β are ${alpha} and ${beta}, not 1/6 and 1/2`
    },
  ],
  replace: (match, graph) => graph.op('HardSwish', [match.value(x)], {}, { like: match.root }),
})
