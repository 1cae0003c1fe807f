import { concatenate, type Graph, type Node, Tensor, type Value } from '../../graph/index.ts'
import { splitInto } from '../canonical/split-into.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { biasOf, type LinearOperator, whySharedWeight, withItsAdd } from './linear-operator.ts'
import { roundTo } from './linear-weights.ts'

/**
 * x·U + a, x·V + b, x·W + c → Split(x·[U V W] + [a b c]): the queries, keys and values of an attention, and whatever else multiplies one
 * input by constant weights. The result has the weights of the parts and no more; it is made where it has fewer nodes.
 *
 * What leads to a product of two computed matrices is left alone: it is an attention, which is recognised by its three products. Once that
 * is one node, its inputs come here.
 */
export const sharedInputMatMul = defineFusion({
  name: 'shared-input-matmul',
  roots: ['MatMul', 'Gemm'],
  rewrite(root, graph, context) {
    const [data] = root.inputs
    if (data === undefined || data.users.size < 2 || data.users.size > mostUsers) return undefined
    const parts = partsBeside(root, data, context)
    const [first] = parts
    if (first === undefined || parts.length < 2) return undefined
    const isGemm = root.op === 'Gemm'
    const hasBias = parts.some(({ bias }) => bias !== undefined)
    const before = parts.reduce((sum, { operator }) => sum + (operator.adder === undefined ? 1 : 2), 0)
    const after = hasBias && !isGemm ? 3 : 2
    if (after >= before) return undefined
    for (const { operator } of parts) {
      const reason = whySharedWeight(operator.node)
      if (reason !== undefined) return reason
      if (leadsToAttention(operator.output)) return `"${operator.output}" leads to an attention`
    }
    const sizes = parts.map(({ operator }) => operator.channels)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const bias = hasBias ? roundTo(first.operator.weight, [total], joinBiases(parts, total)) : undefined
    if (typeof bias === 'string') return bias

    const weight = joinWeights(
      parts.map(({ operator }) => operator.weight),
      isGemm && root.int('transB', 0) !== 0 ? 0 : 1,
    )
    // The parts come in no certain order, and their users may stand between them: right behind the input is before all of them.
    const place = graph.before(behind(data, root.graph) ?? root)
    const attributes = [...root.attributes.values()].filter(({ name }) => name !== 'beta')
    const operands = isGemm && bias !== undefined ? [data, weight, bias] : [data, weight]
    const product = place.op(root.op, operands, attributes, { like: root })
    const sum = isGemm || bias === undefined ? product : place.op('Add', [product, bias])
    const pieces = splitInto(place, sum, -1, sizes)
    return parts.flatMap(({ operator }, index) => {
      const to = pieces[index]
      return to === undefined ? [] : [{ from: operator.output, to }]
    })
  },
})

/** Users of one value that are compared with one another: few enough for the cost to stay linear. */
const mostUsers = 64

interface Part {
  readonly operator: LinearOperator
  readonly bias: Float64Array | undefined
}

/** The products of the same data that differ in weights and bias only, the root among them. */
function partsBeside(root: Node, data: Value, context: FusionContext): Part[] {
  const parts: Part[] = []
  for (const user of data.users) {
    if (user.graph !== root.graph || user.target !== root.target || user.inputs[0] !== data) continue
    if (settings(user) !== settings(root) || user.int('transA', 0) !== 0) continue
    const operator = withItsAdd(user, context)
    if (typeof operator !== 'object' || operator.weight.elementType !== root.inputs[1]?.constant?.elementType) continue
    const bias = biasOf(operator)
    if (typeof bias === 'string') continue
    const hasBias = operator.adder !== undefined || user.inputs[2] !== undefined
    parts.push({ operator, bias: hasBias ? bias : undefined })
  }
  return parts.some(({ operator }) => operator.node === root) ? parts : []
}

const settings = (node: Node): string => `${node.float('alpha', 1)} ${node.int('transB', 0)}`

function joinBiases(parts: readonly Part[], total: number): Float64Array {
  const joined = new Float64Array(total)
  let at = 0
  for (const { bias, operator } of parts) {
    if (bias !== undefined) joined.set(bias, at)
    at += operator.channels
  }
  return joined
}

/** Matrices beside one another (axis 1) or below one another (axis 0): their bytes, row by row. */
function joinWeights(weights: readonly Tensor[], axis: 0 | 1): Tensor {
  const [first] = weights
  const [rows = 0, columns = 0] = first?.dims ?? []
  const extent = weights.reduce((sum, { dims }) => sum + (dims[axis] ?? 0), 0)
  const type = first?.elementType ?? 'float32'
  if (axis === 0) return Tensor.fromBytes(type, [extent, columns], concatenate(weights.map(({ bytes }) => bytes)))
  const lines: Uint8Array[] = []
  for (let row = 0; row < rows; row++) {
    for (const { bytes } of weights) {
      const width = bytes.byteLength / rows
      lines.push(bytes.subarray(row * width, (row + 1) * width))
    }
  }
  return Tensor.fromBytes(type, [rows, extent], concatenate(lines))
}

/** The node behind which a value is known. */
function behind(value: Value, graph: Graph): Node | undefined {
  if (value.producer?.graph === graph) return value.producer.next
  const [first] = graph.nodes
  return first
}

/** What may lie between queries, keys or values and the products of an attention. */
const passing = new Set(
  `Add Cast Concat Div Expand Flatten Gather LayerNormalization Mul Neg Pow ReduceMean Reciprocal Reshape RMSNormalization
  RotaryEmbedding SimplifiedLayerNormalization Slice Split Sqrt Sub Squeeze Tile Transpose Unsqueeze`.split(/\s+/),
)

/** Nodes to look at before giving up: queries with rotary embeddings need about twenty. */
const farthest = 64

/** Attention over keys that are each repeated is made into one that does not repeat them, for which it orders the weight of its queries. */
const repeatsKeys = ({ target, inputs: [, keys] }: Node): boolean =>
  target === 'com.microsoft::MultiHeadAttention' &&
  [keys, keys?.producer?.inputs[0]].some((value) => value?.producer?.is('Expand') || value?.producer?.is('Tile'))

/** Whether a value is an operand of a product of two computed matrices, a few nodes on. */
function leadsToAttention(value: Value): boolean {
  const seen = new Set<Value>()
  const waiting = [value]
  for (let next = waiting.pop(); next !== undefined && seen.size < farthest; next = waiting.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    for (const user of next.users) {
      const isProduct = user.is('MatMul') || user.is('Einsum')
      if (isProduct && user.inputs.every((input) => input?.constant === undefined)) return true
      if (repeatsKeys(user)) return true
      if (!passing.has(user.op)) continue
      for (const output of user.outputs) if (output !== undefined) waiting.push(output)
    }
  }
  return false
}
