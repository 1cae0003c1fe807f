import { type ElementType, type GraphBuilder, type Node, type Operand, Tensor, Value } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'
import { dataInputsOf, type NarrowRules, narrowIslands } from './narrow-island.ts'
import { isOnGpu } from './on-gpu.ts'
import { asInt32, positionCount } from './position-int32.ts'

/** The least and the largest that an element can be; int32 holds it modulo 2³² in any case. */
interface Range {
  readonly low: number
  readonly high: number
}

const int32: Range = { low: -(2 ** 31), high: 2 ** 31 - 1 }
const rangeOf: Readonly<Record<string, Range>> = {
  bool: { low: 0, high: 1 },
  int8: { low: -128, high: 127 },
  int16: { low: -(2 ** 15), high: 2 ** 15 - 1 },
  int32,
  uint8: { low: 0, high: 255 },
  uint16: { low: 0, high: 2 ** 16 - 1 },
}

/** Operators of arithmetic modulo 2³², which int32 computes with: what comes out is right wherever int32 holds it. */
const modular: Readonly<Record<string, readonly number[]>> = {
  Add: [0, 1],
  CumSum: [0],
  Mul: [0, 1],
  ReduceSum: [0],
  Sub: [0, 1],
}

/** Operators that look at how large their operands are: right where int32 holds those. */
const ordered: Readonly<Record<string, readonly number[]>> = {
  Clip: [0, 1, 2],
  Max: [0],
  Min: [0],
  ReduceMax: [0],
  ReduceMin: [0],
}
const comparisons: readonly string[] = ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']

/** Which inputs of a node take int64 or int32 alike, and where it works on int32 then. */
const indices: Readonly<Record<string, number>> = { Gather: 1, GatherElements: 1, ScatterElements: 1 }

/**
 * Int64 that was made of narrower integers, f(Cast(x)) → f(x) in int32, where it ends as int32, as indices (which are below 2³¹, or the original
 * fails), or is proved to lie in int32 and ends as a condition or as another type. WebGPU has no kernels for int64 arithmetic.
 */
export const int64Island = defineFusion({
  name: 'int64-island',
  roots: ['Cast', ...Object.keys(indices), ...comparisons],
  rewrite(root, graph, context) {
    if (context.target === 'onnx' || root.domain !== '') return undefined
    const place = indices[root.op]
    const given = place === undefined ? root.inputs : root.inputs.slice(place, place + 1)
    const wide = given.filter((input) => input !== undefined)
    if (wide.length === 0 || wide.some((input) => context.elementType(input) !== 'int64')) return undefined
    const to = root.is('Cast') ? castTarget(root, context) : undefined
    if (to === 'int64') return undefined
    // ArgMax and its like are taken as indices as they are.
    if (place !== undefined && wide.some((input) => positionCount(input, context) !== undefined)) return undefined
    const islands = narrowIslands(root, wide, graph, rulesFor(graph, context))
    if (islands === undefined || typeof islands === 'string') return islands
    if (place === undefined && to !== 'int32' && islands.some(({ facts }) => !isHeld(facts)))
      return 'it may be beyond int32 where that matters'
    const inputs: Operand[] = [...root.inputs]
    for (const [index, { operand }] of islands.entries()) inputs[(place ?? 0) + index] = operand
    if (islands.every(({ operand }) => operand instanceof Tensor)) return undefined
    const [first] = inputs
    if (to === 'int32') return first instanceof Value ? first : undefined
    const type = place === undefined ? 'int32' : elementTypeOf(first, context)
    if (type === undefined || !runsOnWeb(root.op, root.opset, type, context)) return undefined
    return graph.op(root.op, inputs, root.attributes.values(), { like: root })
  },
})

const elementTypeOf = (operand: Operand, context: FusionContext): ElementType | undefined =>
  operand instanceof Value ? context.elementType(operand) : undefined

const isHeld = ({ low, high }: Range): boolean => low >= int32.low && high <= int32.high

function rulesFor(graph: GraphBuilder, context: FusionContext): NarrowRules<Range> {
  return {
    leaf(value) {
      const tensor = value.constant
      if (tensor !== undefined) {
        if (tensor.elementType !== 'int64') return undefined
        const numbers = Array.from(tensor.toNumbers())
        const facts = { low: Math.min(...numbers.slice(0, 4096)), high: Math.max(...numbers.slice(0, 4096)) }
        // What is beyond int32 never is an index or a number that one counts with.
        if (numbers.length > 4096 || !isHeld(facts)) return undefined
        return { operand: Tensor.fromNumbers('int32', tensor.dims, numbers), facts }
      }
      const [source] = value.producer?.is('Cast') ? value.producer.inputs : []
      const count = positionCount(value, context)
      const facts =
        count === undefined ? rangeOf[(source && context.elementType(source)) ?? ''] : { low: 0, high: count - 1 }
      if (source !== undefined && !isOnGpu(source, context)) return undefined
      const operand = facts && asInt32(value, graph, context)
      return operand && facts && { operand, facts }
    },
    dataInputs(node) {
      return runsOnWeb(node.op, node.opset, 'int32', context) ? dataInputsOf(node, modular, ordered) : undefined
    },
    result(node, inputs) {
      if (node.op in ordered && !inputs.every(isHeld)) return `${node} compares what may be beyond int32`
      return resultRange(node, inputs, context)
    },
  }
}

function resultRange(node: Node, inputs: readonly Range[], context: FusionContext): Range {
  const [a = int32, b = int32] = inputs
  switch (node.op) {
    case 'Add':
      return { low: a.low + b.low, high: a.high + b.high }
    case 'Sub':
      return { low: a.low - b.high, high: a.high - b.low }
    case 'Mul': {
      const products = [a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high]
      return { low: Math.min(...products), high: Math.max(...products) }
    }
    case 'CumSum':
    case 'ReduceSum': {
      const [x] = node.inputs
      const sizes = (x && context.shape(x)) ?? [undefined]
      const terms = sizes.reduce((product: number, size) => (typeof size === 'number' ? product * size : Number.NaN), 1)
      const most = Number.isNaN(terms) ? Number.POSITIVE_INFINITY : terms
      // No term, or some of them.
      return { low: Math.min(0, a.low < 0 ? a.low * most : 0), high: Math.max(0, a.high > 0 ? a.high * most : 0) }
    }
    case 'Max':
      return { low: Math.max(...inputs.map(({ low }) => low)), high: Math.max(...inputs.map(({ high }) => high)) }
    case 'Min':
      return { low: Math.min(...inputs.map(({ low }) => low)), high: Math.min(...inputs.map(({ high }) => high)) }
    default:
      return { low: Math.min(...inputs.map(({ low }) => low)), high: Math.max(...inputs.map(({ high }) => high)) }
  }
}
