import { type GraphBuilder, isFloat, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, either, type Match, product, scalar, sum } from '../pattern.ts'
import { clampOf } from './clamp.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { numbersKeepRank } from './scalar-rank.ts'

const [x, y] = [any(), any()]
const [slope, shift, scale] = [scalar(), scalar(), scalar()]
const clamp = clampOf(sum(shift, [either(product(slope, [x]), x)]))

/** α and β of min(1, max(0, α·x + β)), or the reason why the pattern is not that. */
function parameters(match: Match, context: FusionContext): { alpha: number; beta: number } | string {
  const factor = match.has(scale) ? match.number(scale) : 1
  const { lower, upper } = clamp.bounds(match)
  if (!(upper > 0)) return `its upper bound is ${upper}, not above 0`
  const one = upper * factor
  const type = context.elementType(match.value(x))
  const rounding = type === 'float16' || type === 'bfloat16' ? 1e-3 : 1e-6
  if (lower !== 0 || !(Math.abs(one - 1) <= rounding))
    return `it is bounded to [${lower * factor}, ${one}], not to [0, 1]`
  return { alpha: (match.has(slope) ? match.number(slope) : 1) / upper, beta: match.number(shift) / upper }
}

const kernels = (match: Match, context: FusionContext): string | undefined => {
  const type = context.elementType(match.value(x))
  if (!isFloat(type)) return `it is of ${type ?? 'an unknown element type'}, and a HardSigmoid of floats`
  if (context.target === 'onnx') return undefined
  if (match.root.opset >= 22) return 'the runtime has no WebGPU kernel for it at opset 22 and above'
  return whyNoFloatKernel(match.value(x), context)
}

function hardSigmoidOf(match: Match, graph: GraphBuilder, context: FusionContext): Value | string {
  const found = parameters(match, context)
  return typeof found === 'string'
    ? found
    : graph.op(
        'HardSigmoid',
        [match.value(x)],
        { ...found },
        { like: match.value(clamp.pattern).producer ?? match.root },
      )
}

/** clip(α·x + β, 0, n)/n → HardSigmoid(x; α/n, β/n); in mobile networks clip(x + 3, 0, 6)/6. */
export const hardSigmoid = defineFusion({
  name: 'hard-sigmoid',
  pattern: either(product(scale, [clamp.pattern]), clamp.pattern),
  conditions: [kernels, numbersKeepRank(x)],
  replace: hardSigmoidOf,
})

/** y·clip(α·x + β, 0, n)/n, divided at the end → y·HardSigmoid(x). With y = x it is HardSwish, which hard-swish sees next. */
export const scaledHardSigmoid = defineFusion({
  name: 'scaled-hard-sigmoid',
  pattern: product(scale, [clamp.pattern, y]),
  conditions: [kernels, numbersKeepRank(x)],
  replace(match, graph, context) {
    const gate = hardSigmoidOf(match, graph, context)
    return typeof gate === 'string' ? gate : graph.op('Mul', [match.value(y), gate], {}, { like: match.root })
  },
})
