import { elementTypes, type GraphBuilder, type Node, type Operand, Tensor, type Value } from '../../graph/index.ts'
import { type Dim as Size, upperBound } from '../../graph/shapes/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion, type Replacement } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'

const views: ReadonlySet<string> = new Set(['Unsqueeze', 'Squeeze', 'Reshape', 'Identity'])
const comparisons: ReadonlySet<string> = new Set(['Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Equal'])

/** The largest number of type int32; no tensor in a browser is as long. */
const largest = 2 ** 31 - 1

/**
 * Positions counted in int64, which the runtime does on the CPU: Range → Range in int32 on the GPU, where what follows compares them or makes
 * them floats. Rewritten together, so that no position goes from one side to the other.
 */
export const rangeInt32 = defineFusion({
  name: 'range-int32',
  roots: ['Range'],
  rewrite(root, graph, context) {
    if (context.target === 'onnx' || context.elementType(root.output) !== 'int64') return undefined
    if (!runsOnWeb('Range', root.opset, 'int32', context)) return undefined
    const bounds = root.inputs.map((input) => input && whole(input, graph, context))
    const [start, limit, delta] = bounds
    if (start === undefined || limit === undefined || delta === undefined) return 'its positions may be beyond int32'
    const narrow = new Map<Value, Value>([[root.output, graph.op('Range', [start, limit, delta])]])
    const replacements: Replacement[] = []
    for (const node of usersInOrder(root)) {
      // What takes them as int64 goes on doing so; then they are counted on both sides.
      if (node.outputs.length !== 1 || node.graph !== root.graph) continue
      // Behind a view that stays as it is, positions do.
      if (!node.inputs.some((input) => input !== undefined && narrow.has(input))) continue
      const inputs = node.inputs.map((input) => (input && narrow.get(input)) ?? input)
      const [x] = inputs
      const at = graph.before(node)
      const options = { like: node }
      if (views.has(node.target) && x !== undefined && !node.output.isOutput) {
        narrow.set(node.output, at.op(node.op, inputs, node.attributes.values()))
      } else if (node.is('Cast') && castTarget(node, context) !== 'int64') {
        replacements.push({ from: node.output, to: at.op('Cast', inputs, node.attributes.values(), options) })
      } else if (comparisons.has(node.target)) {
        const operands = node.inputs.map((input) => (input && narrow.get(input)) ?? small(input))
        if (!operands.includes(undefined))
          replacements.push({ from: node.output, to: at.op(node.op, operands, {}, options) })
      }
    }
    return replacements.length > 0 ? replacements : 'its positions are needed as int64'
  },
})

/** A scalar as int32: a number, or a size, which is no larger. */
function whole(value: Value, graph: GraphBuilder, context: FusionContext): Operand {
  const data = context.data(value)
  const [size] = (data ?? []) as readonly Size[]
  if (data?.length !== 1 || size === undefined) return undefined
  if (typeof size === 'number') {
    return Math.abs(size) <= largest ? Tensor.fromNumbers('int32', [], [size]) : undefined
  }
  const isSize = size.toString() === symbolIn(size)
  return isSize || upperBound(size) <= largest ? graph.op('Cast', [value], { to: elementTypes.int32.code }) : undefined
}

/** The text of an expression that is a single name: the size of a dimension. */
const symbolIn = (size: Size): string | undefined => (/^[^\s+*/()-]+$/.test(String(size)) ? String(size) : undefined)

/** A constant to compare with, as int32. */
function small(value: Value | undefined): Tensor | undefined {
  const tensor = value?.constant
  if (tensor === undefined || !tensor.hasNumbers || tensor.size > 64) return undefined
  const numbers = Array.from(tensor.toNumbers())
  return numbers.every((number) => Math.abs(number) <= largest)
    ? Tensor.fromNumbers('int32', tensor.dims, numbers)
    : undefined
}

/** All that takes a Range's result, or a view of it, in the order of the graph. */
function* usersInOrder(root: Node): Generator<Node> {
  const reached = new Set<Value>([root.output])
  for (const node of [...root.graph.nodes]) {
    if (!node.inputs.some((input) => input !== undefined && reached.has(input))) continue
    if (views.has(node.target) && node.inputs[0] !== undefined && reached.has(node.inputs[0])) {
      reached.add(node.output)
    }
    yield node
  }
}
