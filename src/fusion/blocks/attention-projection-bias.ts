import { sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { matchPattern } from '../match-pattern.ts'
import { any, constant, node, Refusal, whyShared } from '../pattern.ts'
import { microsoft, microsoftDomain } from './microsoft.ts'

const [projected, bias] = [any(), constant()]
const add = node('Add', [projected, bias], { commutative: true })

/**
 * MultiHeadAttention(Split(x·W + b)) → MultiHeadAttention(Split(x·W); b), where one projection makes queries, keys and values, in this order: the
 * operator adds a bias when it moves the heads anyway.
 */
export const attentionProjectionBias = defineFusion({
  name: 'attention-projection-bias',
  roots: [`${microsoftDomain}::MultiHeadAttention`],
  rewrite(root, graph, context) {
    const [query, key, value, own, ...rest] = root.inputs
    const split = query?.producer
    if (!split?.is('Split') || own !== undefined || rest.slice(2).some((input) => input !== undefined)) return undefined
    const inOrder =
      split.outputs.length === 3 && [query, key, value].every((input, index) => input === split.outputs[index])
    if (!inOrder) return undefined
    if ([query, key, value].some((input) => input === undefined || input.isOutput || input.users.size > 1))
      return 'the split has other users'
    const [sum] = split.inputs
    const match = sum?.producer && matchPattern(add, sum.producer)
    if (sum === undefined || match === undefined || match instanceof Refusal) return undefined
    const shared = whyShared(sum)
    if (shared !== undefined) return shared
    const [b, y] = [match.tensor(bias), match.value(projected)]
    const width = context.shape(sum)?.at(-1)
    const axis = split.int('axis', 0)
    if (b.dims.length !== 1 || b.size !== width || !sameShape(context.shape(y), context.shape(sum)))
      return 'its bias is not one number a feature'
    if (axis !== -1 && axis !== 2) return 'it is split along another axis'
    const parts = graph.node('Split', [y, ...split.inputs.slice(1)], split.attributes.values(), {
      like: split,
      outputs: 3,
    }).outputs
    return microsoft(graph, root, 'MultiHeadAttention', [...parts, b, ...rest], root.attributes.values()).output
  },
})
