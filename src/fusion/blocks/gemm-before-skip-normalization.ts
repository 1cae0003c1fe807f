import { defineFusion } from '../define-fusion.ts'
import { viewsBehind, withoutViews } from './gemm-between-transposes.ts'
import { microsoftDomain } from './microsoft.ts'

const normalizations = [
  `${microsoftDomain}::SkipLayerNormalization`,
  `${microsoftDomain}::SkipSimplifiedLayerNormalization`,
]
/** The input for a bias, of each. */
const biasInput = [4, 3]

/**
 * SkipLayerNormalization(view(Gemm(view(x), W, b)), …) → SkipLayerNormalization(MatMul(x, W) + b, …): the normalisation takes the bias in
 * (skip-normalization-bias), and no view is left. Elsewhere Gemm is the better form.
 */
export const gemmBeforeSkipNormalization = defineFusion({
  name: 'gemm-before-skip-normalization',
  roots: ['Reshape'],
  rewrite(root, graph, context) {
    const gemm = root.inputs[0]?.producer
    if (!gemm?.is('Gemm') || gemm.output.users.size !== 1 || root.output.isOutput || root.output.users.size !== 1)
      return undefined
    const [user] = root.output.users
    const kind = normalizations.indexOf(user?.target ?? '')
    const place = biasInput[kind]
    if (user === undefined || place === undefined) return undefined
    if (gemm.inputs[2] !== undefined && user.inputs[place] !== undefined) return 'the normalisation has a bias'
    const chain = viewsBehind(gemm)
    return chain.at(-1) === root ? withoutViews(gemm, chain, graph, context) : undefined
  },
})
