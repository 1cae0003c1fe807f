import { clone, type Model } from '../../graph/index.ts'
import { inferredContext } from '../context.ts'
import { type NearMiss, removeUnusedInitializers, runFusions } from '../driver.ts'
import { raiseOpset } from '../opset/raise-opset.ts'
import { activationQuantization } from './activation-quantization.ts'
import { dynamicQuantization } from './dynamic-quantization.ts'
import { floatProduct } from './float-product.ts'
import { integerProduct } from './integer-product.ts'
import { linearOperator } from './linear-operator.ts'
import { linearProduct } from './linear-product.ts'
import { quantizedLstm } from './quantized-lstm.ts'
import { quantizedView } from './quantized-view.ts'
import { standardQuantization } from './standard-quantization.ts'
import { unknownOperator } from './unknown-operator.ts'

/** What takes a quantised activation out; the others only spell operators on whole numbers with the pairs that it looks for. */
const pairs = [activationQuantization, dynamicQuantization]
const onWholeNumbers = [integerProduct, floatProduct, linearProduct, linearOperator, quantizedLstm]
const rewrites = [standardQuantization, ...pairs, ...onWholeNumbers, quantizedView, unknownOperator]

/** Operators that quantise activations, or work on quantised ones, which this may spell on floats. */
export const quantizedOperators: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DynamicQuantizeLinear',
  ...standardQuantization.roots,
  ...onWholeNumbers.flatMap(({ roots }) => roots),
])

export interface WeightOnly {
  /** The argument itself where there was nothing to take out. */
  readonly model: Model
  /** How many pairs of quantisation and dequantisation were taken out: one for each use of a quantised activation. */
  readonly pairs: number
  /** Nodes that went with them. */
  readonly removed: number
  /** What was left on whole numbers, and why. */
  readonly nearMisses: readonly NearMiss[]
}

/**
 * The model without the quantisation of its activations: QuantizeLinear, DynamicQuantizeLinear and the operators on what they make, such as MatMulInteger and
 * QLinearConv, have no WebGPU kernels. Weights stay quantised, and are dequantised before they are used. The result is another function, nearer to the
 * model before it was quantised: its outputs differ by what rounding did. Never changes its argument.
 */
export function weightOnlyQuantization(model: Model): WeightOnly {
  const copy = clone(model)
  const before = count(copy)
  // Where this cannot be, only what needs scales for channels is left.
  if (copy.opset < 13) raiseOpset(copy, 17, inferredContext(copy))
  const { steps, nearMisses } = runFusions(copy, rewrites, inferredContext(copy))
  const taken = steps.filter(({ fusion }) => pairs.some(({ name }) => name === fusion)).length
  if (taken === 0) return { model, pairs: 0, removed: 0, nearMisses }
  removeUnusedInitializers(copy)
  return { model: copy, pairs: taken, removed: before - count(copy), nearMisses }
}

const count = (model: Model): number => [...model.graph.walk()].filter((one) => !one.is('Constant')).length
