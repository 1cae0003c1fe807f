import { concatenate, type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { whySharedWeight } from './linear-operator.ts'

/**
 * Concat(Conv(x, V, a), Conv(x, W, b)) along the channels → Conv(x, [V; W], [a; b]), for convolutions that differ in nothing else.
 * The same activation after each of them follows the one that is left. Only neighbours in the Concat: the order of the channels stays.
 */
export const parallelConvConcat = defineFusion({
  name: 'parallel-conv-concat',
  roots: ['Concat'],
  rewrite(root, graph) {
    const branches = root.inputs.map((input) => input && branchOf(input))
    const runs = runsOf(branches)
    if (runs.every(({ length }) => length === 1)) return undefined
    const axis = root.int('axis', 1)
    const rank = branches.find((branch) => branch !== undefined)?.rank ?? 0
    if (axis !== 1 && axis !== 1 - rank) return 'it does not join the channels'
    const joined: (Value | undefined)[] = []
    for (const { start, length } of runs) {
      const run = branches.slice(start, start + length).filter((branch) => branch !== undefined)
      const [first] = run
      const result = first !== undefined && length > 1 ? join(first, run, graph) : root.inputs[start]
      if (typeof result === 'string') return result
      joined.push(result)
    }
    return joined.length === 1 ? joined[0] : graph.op('Concat', joined, root.attributes.values(), { like: root })
  },
})

/** A Conv of one group, and the activation after it. */
interface Branch {
  readonly conv: Node
  readonly activation: Node | undefined
  readonly data: Value
  readonly weight: Tensor
  readonly bias: Tensor | undefined
  readonly rank: number
}

/** Operators of one input that treat every element alike. */
const activations = new Set(
  'Relu Sigmoid Tanh LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign ThresholdedRelu Mish Gelu'.split(
    ' ',
  ),
)

function branchOf(value: Value): Branch | undefined {
  const { producer } = value
  const activation = producer?.domain === '' && activations.has(producer.op) ? producer : undefined
  const conv = (activation === undefined ? value : activation.inputs[0])?.producer
  if (conv === undefined || !conv.is('Conv') || conv.int('group', 1) !== 1) return undefined
  const [data, weightValue, biasValue] = conv.inputs
  const [weight, bias] = [weightValue?.constant, biasValue?.constant]
  if (data === undefined || weight === undefined || (biasValue !== undefined && bias === undefined)) return undefined
  return { conv, activation, data, weight, bias, rank: weight.dims.length }
}

/** Neighbours that differ in weights and bias only. */
function runsOf(branches: readonly (Branch | undefined)[]): { start: number; length: number }[] {
  const runs: { start: number; length: number }[] = []
  for (const [index, branch] of branches.entries()) {
    const run = runs.at(-1)
    const previous = branches[index - 1]
    if (run !== undefined && branch !== undefined && previous !== undefined && areAlike(previous, branch)) run.length++
    else runs.push({ start: index, length: 1 })
  }
  return runs
}

const areAlike = (one: Branch, other: Branch): boolean =>
  one.data === other.data &&
  one.weight.elementType === other.weight.elementType &&
  String(one.weight.dims.slice(1)) === String(other.weight.dims.slice(1)) &&
  one.activation?.op === other.activation?.op &&
  settings(one.conv) === settings(other.conv) &&
  settings(one.activation) === settings(other.activation)

/** The attributes of a node as a text; what is left out counts as its default where that is the same for every kernel. */
const settings = (node: Node | undefined): string =>
  [...(node?.attributes.values() ?? [])]
    .filter(({ name }) => name !== 'group' && name !== 'kernel_shape')
    .map(({ name, value }) => `${name}=${JSON.stringify(value)}`)
    .sort()
    .join(' ')

function join(first: Branch, run: readonly Branch[], graph: GraphBuilder): Value | string {
  for (const { conv, activation } of run) {
    const reason = whyShared(conv.output) ?? (activation && whyShared(activation.output)) ?? whySharedWeight(conv)
    if (reason !== undefined) return reason
  }
  const weight = stack(run.map(({ weight }) => weight))
  const hasBias = run.some(({ bias }) => bias !== undefined)
  const bias = hasBias ? [stack(run.map(({ bias, weight }) => bias ?? zeros(weight)))] : []
  const { conv, activation, data } = first
  const joined = graph.op('Conv', [data, weight, ...bias], conv.attributes.values(), { like: conv })
  return activation === undefined
    ? joined
    : graph.op(activation.op, [joined], activation.attributes.values(), { like: activation })
}

/** Tensors one behind the other along their first axis: their bytes, as they are. */
function stack(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors
  const rows = tensors.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0)
  const [, ...rest] = first?.dims ?? []
  return Tensor.fromBytes(
    first?.elementType ?? 'float32',
    [rows, ...rest],
    concatenate(tensors.map(({ bytes }) => bytes)),
  )
}

const zeros = ({ elementType, dims }: Tensor): Tensor =>
  Tensor.fromNumbers(elementType, [dims[0] ?? 0], new Float64Array(dims[0] ?? 0))
