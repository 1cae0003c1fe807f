import { isFloat, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { floatPrecision } from '../linear/float-precision.ts'
import { whyShared } from '../pattern.ts'
import { combineConstants } from './combine-constants.ts'
import { constantOperand } from './constant-operand.ts'

/** A node as x·c, or as sign·x + sign'·c. */
interface Step {
  readonly kind: 'product' | 'sum'
  readonly data: Value
  readonly constant: Value
  readonly tensor: Tensor
  readonly ofData: 1 | -1
  readonly ofConstant: 1 | -1
}

/** Bytes up to which a constant may stand in the file twice. */
const largestCopy = 16_384

/**
 * (x·a)·b → x·(a·b), and sums and differences likewise: (x + a) − b → x + (a − b), b − (x − a) → (b + a) − x.
 * Constants that cancel most of one another are left alone: to add 3·2²² and take it away again is how a float is rounded.
 */
export const constantChain = defineFusion({
  name: 'constant-chain',
  roots: ['Mul', 'Add', 'Sub'],
  rewrite(root, graph) {
    const outer = step(root)
    const inner = outer?.data.producer && step(outer.data.producer)
    if (outer === undefined || inner === undefined || inner.kind !== outer.kind) return undefined
    const shared = whyShared(outer.data)
    if (shared !== undefined) return shared
    const copied = [inner, outer].find(
      ({ constant, tensor }) => constant.users.size > 1 && tensor.byteLength > largestCopy,
    )
    if (copied !== undefined) return `"${copied.constant}" has other users and is large`
    if (outer.kind === 'product') {
      const { elementType } = inner.tensor
      const smallest = isFloat(elementType) ? floatPrecision[elementType].smallest : 0
      const product = combineConstants(inner.tensor, outer.tensor, (a, b) =>
        a !== 0 && b !== 0 && Math.abs(a * b) < smallest ? Number.NaN : a * b,
      )
      if (product === undefined) return 'the product of the constants is larger than both, or out of range'
      return graph.op('Mul', [inner.data, graph.constant(product)], {}, { like: root })
    }
    const ofInner = outer.ofData * inner.ofConstant
    let cancels = false
    const sum = combineConstants(inner.tensor, outer.tensor, (a, b) => {
      const total = ofInner * a + outer.ofConstant * b
      if (isFloat(inner.tensor.elementType) && Math.abs(total) * 16 < Math.max(Math.abs(a), Math.abs(b))) cancels = true
      return total
    })
    if (sum === undefined) return 'the sum of the constants is larger than both, or out of range'
    if (cancels) return 'the constants cancel each other'
    const constant = graph.constant(sum)
    const sign = outer.ofData * inner.ofData
    return sign === 1
      ? graph.op('Add', [inner.data, constant], {}, { like: root })
      : graph.op('Sub', [constant, inner.data], {}, { like: root })
  },
})

function step(node: Node): Step | undefined {
  if (node.domain !== '' || !['Mul', 'Add', 'Sub'].includes(node.op)) return undefined
  const operand = constantOperand(node)
  if (operand === undefined) return undefined
  const { data, constant, tensor, onRight } = operand
  const signs = {
    ofData: node.op === 'Sub' && !onRight ? -1 : 1,
    ofConstant: node.op === 'Sub' && onRight ? -1 : 1,
  } as const
  return { kind: node.op === 'Mul' ? 'product' : 'sum', data, constant, tensor, ...signs }
}
