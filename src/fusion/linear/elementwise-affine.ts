import type { Node, Tensor, Value } from '../../graph/index.ts'
import { whyNotConstant } from '../pattern.ts'
import { batchNormAffine, type ChannelAffine, epsilonOf, whyNotInference } from './channel-affine.ts'

/** The operators that scale or shift by a constant (Neg by −1; a Sum of two is an Add). */
export const affineOperators: readonly string[] = ['Mul', 'Div', 'Add', 'Sum', 'Sub', 'Neg', 'BatchNormalization']

/** A node that scales and shifts `data`, and how, once it is known where the channels lie. */
export interface ElementwiseAffine {
  readonly data: Value
  /** The scale and shift for each channel, given how to spread a constant over them; or the reason why there is none. */
  affine(spread: (constant: Tensor) => Float64Array | string, channels: number): ChannelAffine | string
}

const uniform = (channels: number, scale: number): ChannelAffine => ({
  scale: new Float64Array(channels).fill(scale),
  shift: new Float64Array(channels),
})

/** c∘x as scale and shift, c being the constant. Division of a constant by the data is no affine map. */
const formulas: Readonly<Record<string, (c: number) => readonly [scale: number, shift: number]>> = {
  Mul: (c) => [c, 0],
  Div: (c) => [1 / c, 0],
  Add: (c) => [1, c],
  Sum: (c) => [1, c],
  Sub: (c) => [1, -c],
  SubFrom: (c) => [-1, c],
}

/**
 * The ways in which a node is an affine map of one of its inputs (two, when both could be the data: none is constant, or both are);
 * empty for other operators. Before opset 7 elementwise operators broadcast by attributes (a Sum not at all), and are left alone.
 */
export function elementwiseAffine(node: Node): ElementwiseAffine | string | undefined {
  if (node.domain !== '' || !affineOperators.includes(node.op)) return undefined
  if (node.op === 'BatchNormalization') return batchNormalization(node)
  const [left, right] = node.inputs
  if (node.op === 'Neg') {
    return left && { data: left, affine: (_spread, channels) => uniform(channels, -1) }
  }
  if (left === undefined || right === undefined) return undefined
  if (node.op === 'Sum' && node.inputs.length !== 2) return undefined
  const broadcasting = node.op === 'Sum' ? 8 : 7
  if (node.opset < broadcasting) return `${node.op} before opset ${broadcasting} broadcasts in its own way`
  const constantOnRight = right.constant !== undefined
  const constant = right.constant ?? left.constant
  if (constant === undefined) return whyNotConstant(right)
  if (!constantOnRight && node.op === 'Div') return 'dividing a constant is not linear'
  const formula = formulas[!constantOnRight && node.op === 'Sub' ? 'SubFrom' : node.op]
  if (formula === undefined) return undefined
  return {
    data: constantOnRight ? left : right,
    affine(spread) {
      const numbers = spread(constant)
      if (typeof numbers === 'string') return numbers
      const pairs = Array.from(numbers, formula)
      const scale = Float64Array.from(pairs, ([s]) => s)
      const shift = Float64Array.from(pairs, ([, t]) => t)
      const finite = scale.every(Number.isFinite) && shift.every(Number.isFinite)
      return finite ? { scale, shift } : `${node} has a constant that gives no finite scale and shift`
    },
  }
}

function batchNormalization(node: Node): ElementwiseAffine | string | undefined {
  const [data, ...parameters] = node.inputs
  if (data === undefined || parameters.length !== 4) return undefined
  const reason = whyNotInference(node)
  if (reason !== undefined) return reason
  const variable = parameters.find((value) => value?.constant === undefined)
  if (variable !== undefined) return whyNotConstant(variable)
  const [gamma, beta, mean, variance] = parameters.map((value) => value?.constant)
  if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined
  return {
    data,
    affine(_spread, channels) {
      if (gamma.size !== channels) return `${gamma.size} channels do not fit ${channels}`
      return batchNormAffine(epsilonOf(node), gamma, beta, mean, variance)
    },
  }
}
