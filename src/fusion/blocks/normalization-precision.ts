import { Tensor, type Value } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from '../legalise/lowering.ts'
import { whyNotConstant, whyShared } from '../pattern.ts'

/** Normalisations that compute in float32 whatever they are given, by their stash_type. */
const normalisers: ReadonlySet<string> = new Set([
  'LayerNormalization',
  'RMSNormalization',
  'SimplifiedLayerNormalization',
])

/**
 * Cast₁₆(Norm(Cast₃₂(x); γ, β)) → Norm(x; γ, β) for x of float16: it computes in float32 by itself (stash_type 1), and rounds at the end. γ and β have
 * to be numbers that float16 holds.
 */
export const normalizationPrecision = defineFusion({
  name: 'normalization-precision',
  roots: ['Cast'],
  rewrite(root, graph, context) {
    const [output] = root.inputs
    const norm = output?.producer
    if (norm === undefined || norm.domain !== '' || !normalisers.has(norm.op)) return undefined
    if (output === undefined || norm.outputs[0] !== output) return undefined
    const [wide, ...parameters] = norm.inputs
    const [x] = wide?.producer?.is('Cast') ? wide.producer.inputs : []
    const type = x && context.elementType(x)
    if (x === undefined || type !== 'float16' || castTarget(root, context) !== type) return undefined
    if (norm.int('stash_type', 1) !== 1) return `it computes in another type (${norm.int('stash_type')})`
    if (norm.outputs.slice(1).some((other) => other?.isUsed)) return `${norm} gives its statistics as well`
    const shared = whyShared(output)
    if (shared !== undefined) return shared
    if (context.target !== 'onnx' && !runsOnWeb(norm.op, norm.opset, type, context))
      return `the runtime has no ${norm.op} for float16`
    const narrow = parameters.map((parameter) => parameter && inFloat16(parameter))
    const reason = narrow.find((one) => typeof one === 'string')
    if (reason !== undefined) return reason as string
    const inputs = narrow.map((one) => (one instanceof Tensor ? one : undefined))
    return graph.op(norm.op, [x, ...inputs], norm.attributes.values(), { like: norm })
  },
})

/** A constant as float16; the reason where that does not hold it. */
function inFloat16(parameter: Value): Tensor | string {
  const tensor = parameter.constant
  if (tensor === undefined) return whyNotConstant(parameter)
  const numbers = tensor.toNumbers()
  const narrow = Tensor.fromNumbers('float16', tensor.dims, numbers)
  const isHeld = narrow.toNumbers().every((number, index) => number === numbers[index])
  return isHeld ? narrow : `float16 does not hold "${parameter}"`
}
