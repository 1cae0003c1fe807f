import type { Node } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, constant, either, node } from '../pattern.ts'

const [x, weight, bias] = [any(), constant(), constant()]
const transpose = node('Transpose', [x])
const matmul = node('MatMul', [transpose, weight])
const add = node('Add', [matmul, bias], { commutative: true })

/**
 * Transpose(x)·W + b → Transpose(x·W + b), for a Transpose that leaves the features last, where more views follow: they and it are then one
 * rearrangement. nn.MultiheadAttention projects sequence first.
 */
export const transposeThroughMatMul = defineFusion({
  name: 'transpose-through-matmul',
  pattern: either(add, matmul),
  conditions: [
    (match) => {
      const perm = match.node(transpose).ints('perm') ?? []
      return perm.length > 2 && perm.at(-1) === perm.length - 1 ? undefined : 'the features are not last'
    },
    (match) => (match.tensor(weight).dims.length === 2 ? undefined : 'its weight has batches'),
    (match) => {
      if (!match.has(bias)) return undefined
      const { dims } = match.tensor(bias)
      return dims.length === 1 && dims[0] === match.tensor(weight).dims[1]
        ? undefined
        : 'its bias is not one number a feature'
    },
    ({ root }) => (isViewed(root) ? undefined : 'no view follows that would take the Transpose in'),
  ],
  replace(match, graph) {
    const product = graph.op('MatMul', [match.value(x), match.value(weight)], {}, { like: match.node(matmul) })
    const sum = match.has(bias) ? graph.op('Add', [product, match.value(bias)], {}, { like: match.root }) : product
    return graph.op('Transpose', [sum], match.node(transpose).attributes.values())
  },
})

/** Whether one view takes the output; what only asks for its shape does not count. */
function isViewed({ output }: Node): boolean {
  const [user, ...others] = [...output.users].filter((one) => !one.is('Shape'))
  if (user === undefined || others.length > 0 || output.isOutput) return false
  return user.is('Reshape') || user.is('Transpose') || user.is('Split')
}
