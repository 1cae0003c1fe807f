import { type ElementType, elementTypes, type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'
import { dataInputsOf, type NarrowRules, narrowIslands } from './narrow-island.ts'

/** Whether the narrow value is the wide one, or the wide one rounded. */
interface Facts {
  readonly isExact: boolean
}

/** The first inputs of operators that choose among their operands, or turn their sign: rounding before or after is the same. */
const chosen: Readonly<Record<string, readonly number[]>> = {
  Abs: [0],
  Clip: [0, 1, 2],
  Max: [0],
  Min: [0],
  Neg: [0],
  ReduceMax: [0],
  ReduceMin: [0],
  Relu: [0],
}

/** Operators whose results are whole, or operands: exact in either type where the operand is. */
const whole: Readonly<Record<string, readonly number[]>> = { Ceil: [0], Floor: [0], Round: [0], Sign: [0] }

/**
 * Operators that round once. Their result in float64, rounded again to a type of less than half its digits, is what that type gives at once
 * (Figueroa, When is double rounding innocuous?, 1995).
 */
const rounding: Readonly<Record<string, readonly number[]>> = {
  Add: [0, 1],
  Div: [0, 1],
  Mul: [0, 1],
  Sqrt: [0],
  Sub: [0, 1],
}
const comparisons: readonly string[] = ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']

/**
 * Float64 between casts, f(Cast(x)) with f moving and choosing elements, and rounding at most once → f(x) in the narrower type: the same to the
 * last bit. WebGPU has no float64, and a session for it does not even open. What rounds more than once is left alone.
 */
export const float64Island = defineFusion({
  name: 'float64-island',
  roots: ['Cast', ...comparisons],
  rewrite(root, graph, context) {
    if (context.target === 'onnx' || root.domain !== '') return undefined
    const wide = root.inputs.filter((input) => input !== undefined)
    if (wide.length === 0 || wide.some((input) => context.elementType(input) !== 'float64')) return undefined
    const to = root.is('Cast') ? castTarget(root, context) : undefined
    if (to === 'float64') return undefined
    const type = to === 'float16' || to === 'float32' ? to : 'float32'
    const narrow = narrowIslands(root, wide, graph, rulesFor(type, graph, context))
    if (narrow === undefined || typeof narrow === 'string') return narrow
    // Only what is cast to the very type may have been rounded to it.
    if (to !== type && narrow.some(({ facts }) => !facts.isExact))
      return 'it is rounded before it is compared, or made an integer'
    const operands = narrow.map(({ operand }) => operand)
    if (operands.every((operand) => operand instanceof Tensor)) return undefined
    if (!runsOnWeb(root.op, root.opset, type, context)) return undefined
    const [only] = operands
    if (to === type) return only === undefined || typeof only === 'number' ? undefined : asValue(only, graph)
    return graph.op(root.op, operands, root.attributes.values(), { like: root })
  },
})

const asValue = (operand: unknown, graph: GraphBuilder): Value | undefined =>
  operand instanceof Tensor ? graph.constant(operand) : (operand as Value)

function rulesFor(type: ElementType, graph: GraphBuilder, context: FusionContext): NarrowRules<Facts> {
  const digits = { float16: 11, float32: 24 } as const
  return {
    leaf(value) {
      const tensor = value.constant
      if (tensor !== undefined) {
        if (tensor.elementType !== 'float64') return undefined
        const numbers = tensor.toNumbers()
        const rounded = Tensor.fromNumbers(type, tensor.dims, numbers)
        const isExact = rounded.toNumbers().every((number, index) => Object.is(number, numbers[index]))
        return { operand: rounded, facts: { isExact } }
      }
      const [source] = value.producer?.is('Cast') ? value.producer.inputs : []
      const from = source && context.elementType(source)
      if (source === undefined || (from !== 'float16' && from !== 'float32')) return undefined
      if (from === type) return { operand: source, facts: { isExact: true } }
      const isExact = digits[from] <= digits[type as keyof typeof digits]
      return { operand: graph.op('Cast', [source], { to: elementTypes[type].code }), facts: { isExact } }
    },
    dataInputs(node) {
      return runsOnWeb(node.op, node.opset, type, context) ? dataInputsOf(node, chosen, rounding, whole) : undefined
    },
    result(node: Node, inputs) {
      const isExact = inputs.every((facts) => facts.isExact)
      if (node.op in rounding || node.op in whole) {
        if (!isExact) return `${node} is computed in float64 from what float32 does not hold`
        return { isExact: node.op in whole }
      }
      return { isExact }
    },
  }
}
