import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { affineOperators, elementwiseAffine } from './elementwise-affine.ts'
import { asLinearOperator, perChannel, scaleAndShift } from './linear-operator.ts'
import { axisAfterViews, throughViews } from './view-chain.ts'

/**
 * s·(W·x + b) + t → (s·W)·x + (s·b + t), for s and t constant: one number, or one for each output channel.
 *
 * W·x + b is a Conv, ConvTranspose, Gemm, MatMul, or MatMul and Add with constant weights; s and t come from Mul, Div, Add, Sub, Neg or a
 * batch norm, in any spelling, and reshapes and transposes may lie between. A constant that varies along another axis, raises the rank or
 * stretches a dimension is left alone, and so is a shift after a MatMul that has no place for a bias; the shift of a batch norm becomes an Add.
 */
export const affineAfterLinear = defineFusion({
  name: 'affine-after-linear',
  roots: affineOperators,
  rewrite(root, graph, context) {
    const affine = elementwiseAffine(root)
    if (affine === undefined || typeof affine === 'string') return undefined
    const chain = throughViews(affine.data)
    if (typeof chain === 'string') return undefined
    const { source, views } = chain
    const operator = source.producer && asLinearOperator(source.producer, context)
    if (operator === undefined) return undefined
    if (typeof operator === 'string') return operator
    const shared = whyShared(source)
    if (shared !== undefined) return shared
    // A MatMul of rank 3 or more with an Add is as short as it gets.
    if (
      (root.op === 'Add' || root.op === 'Sum') &&
      operator.node.op === 'MatMul' &&
      operator.adder === undefined &&
      (operator.rank ?? 3) > 2
    ) {
      return undefined
    }

    const channelAxis = axisAfterViews(chain, operator.channelAxis, context)
    const rank = views.length === 0 ? operator.rank : (context.shape(affine.data)?.length ?? 0)
    if (root.op === 'BatchNormalization' && (rank === undefined || channelAxis !== 1 - rank)) {
      return `its channels are not those of ${operator.node}`
    }
    const { channels } = operator
    const spread = affine.affine((constant) => perChannel(constant, { rank, channelAxis, channels }), channels)
    if (typeof spread === 'string') return spread
    const mayAdd = root.op === 'BatchNormalization'
    const result = scaleAndShift(operator, spread, graph.before(operator.adder ?? operator.node), { mayAdd })
    if (typeof result === 'string') return result
    if (views.length === 0) return result
    return [
      { from: source, to: result },
      { from: root.output, to: affine.data },
    ]
  },
})
