import { isFloat, Tensor } from '../../graph/index.ts'
import type { ChannelAffine } from './channel-affine.ts'

/** Weight algebra: everything is computed in float64 and rounded once to the weights' own type. */

/** Multiplications that a product of two weights may take when a model is built: about a second. */
export const largestWork = 2 ** 30

/** Multiplies by one factor for each index along an axis; the reason when that does not fit the dims or the type. */
export function scaleAxis(tensor: Tensor, axis: number, factors: Float64Array): Tensor | string {
  if (tensor.dims[axis] !== factors.length) {
    return `${factors.length} channels do not fit axis ${axis} of weights of dims [${tensor.dims}]`
  }
  const inner = tensor.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1)
  const scaled = copyOf(tensor)
  scaleRuns(scaled, inner, factors)
  return roundTo(tensor, tensor.dims, scaled)
}

/** bias·scale + shift, or the shift alone where there is no bias; of shape [C] and the type of `weights`. */
export function affineBias(
  weights: Tensor,
  bias: Tensor | undefined,
  { scale, shift }: ChannelAffine,
): Tensor | string {
  if (bias !== undefined && bias.size !== shift.length) {
    return `${shift.length} channels do not fit a bias of dims [${bias.dims}]`
  }
  const b = bias?.toNumbers()
  return roundTo(
    weights,
    [shift.length],
    shift.map((value, c) => (b?.[c] ?? 0) * (scale[c] as number) + value),
  )
}

/** Numbers rounded once to the element type of `like`; the reason when one overflows there (float16 ends at 65,504). */
export function roundTo(like: Tensor, dims: readonly number[], numbers: Float32Array | Float64Array): Tensor | string {
  const { elementType } = like
  if (!isFloat(elementType)) return `weights of type ${elementType} cannot be rewritten`
  const tensor = Tensor.fromNumbers(elementType, dims, numbers)
  // Decoding again sees what rounding did: a float16 past 65,504 became infinite, one below 6e-8 became zero.
  const rounded = numbersOf(tensor)
  if (!allFinite(rounded)) return `the fused weights do not fit ${elementType}`
  return elementType === 'float16' && isCoarse(numbers, rounded)
    ? `the fused weights are too small for ${elementType}`
    : tensor
}

/** A loop, since weights come by the million and a callback for each takes four times as long. */
export function allFinite(numbers: Float32Array | Float64Array): boolean {
  for (let i = 0; i < numbers.length; i++) if (!Number.isFinite(numbers[i])) return false
  return true
}

/** Whether rounding lost more than float16's own precision (2⁻¹¹): small numbers have fewer digits there. */
function isCoarse(exact: Float32Array | Float64Array, rounded: Float32Array | Float64Array): boolean {
  let [largest, error] = [0, 0]
  for (let i = 0; i < exact.length; i++) {
    const value = exact[i] as number
    largest = Math.max(largest, Math.abs(value))
    error = Math.max(error, Math.abs(value - (rounded[i] as number)))
  }
  return error > largest * 2 ** -10
}

/** The elements to read: a view where the type has one. */
const numbersOf = (tensor: Tensor): Float32Array | Float64Array => {
  const array =
    tensor.hasNumbers && tensor.elementType !== 'float16' && tensor.elementType !== 'bfloat16'
      ? tensor.toTypedArray()
      : undefined
  return array instanceof Float32Array || array instanceof Float64Array ? array : tensor.toNumbers()
}

/** The elements to write to, aligned: writing a float64 product into a Float32Array rounds it, once. */
function copyOf(tensor: Tensor): Float32Array | Float64Array {
  if (tensor.elementType !== 'float32') return tensor.toNumbers()
  const copy = new Float32Array(tensor.size)
  new Uint8Array(copy.buffer).set(tensor.bytes)
  return copy
}

/** Multiplies runs of that many numbers by one factor each, starting over with the first factor after the last. */
function scaleRuns(numbers: Float32Array | Float64Array, length: number, factors: Float64Array): void {
  for (let i = 0, run = 0; i < numbers.length; run = run + 1 === factors.length ? 0 : run + 1) {
    const factor = factors[run] as number
    for (const end = i + length; i < end; i++) numbers[i] = (numbers[i] as number) * factor
  }
}

/**
 * Multiplies the output channels of a ConvTranspose's weights [C_in, C_out/group, …] by one factor each, of C_out in all:
 * the inputs of group g (rows g·C_in/group and on) meet the factors of its own outputs only.
 */
export function scaleGroupedOutputs(weights: Tensor, group: number, factors: Float64Array): Tensor | string {
  const [inputs = 0, outputs = 0, ...kernel] = weights.dims
  if (outputs * group !== factors.length || inputs % group !== 0) {
    return `${factors.length} channels do not fit weights of dims [${weights.dims}] in ${group} groups`
  }
  const rows = new Float64Array(inputs * outputs)
  for (let row = 0; row < inputs; row++) {
    const first = Math.floor(row / (inputs / group)) * outputs
    rows.set(factors.subarray(first, first + outputs), row * outputs)
  }
  const scaled = scaleAxis(weights.reshape([inputs * outputs, ...kernel]), 0, rows)
  return typeof scaled === 'string' ? scaled : scaled.reshape(weights.dims)
}

/** The C of a Gemm as one number for each of N columns: zeros when left out; the reason when it has rows of its own. */
export function broadcastToColumns(bias: Tensor | undefined, columns: number): Float64Array | string {
  if (bias === undefined) return new Float64Array(columns)
  const { dims } = bias
  const numbers = bias.toNumbers()
  if (bias.size === 1) return new Float64Array(columns).fill(numbers[0] as number)
  const isRow = bias.size === columns && dims.at(-1) === columns
  return isRow ? numbers : `C of dims [${dims}] does not broadcast along the rows to ${columns} columns`
}

/** Which axis of the weights the inputs lie along. Outputs in groups (axis 0, as in a Conv) each see the inputs of their own group. */
export interface InputLayout {
  readonly inputAxis: number
  readonly group: number
}

/** Multiplies weights by one factor for each input channel. */
export function scaleInputs(
  weights: Tensor,
  factors: Float64Array,
  { inputAxis, group }: InputLayout,
): Tensor | string {
  if (group === 1) return scaleAxis(weights, inputAxis, factors)
  // [C_out, C_in/group, …] seen as rows (output, input of its group).
  const [outputs = 0, inputs = 0, ...kernel] = weights.dims
  if (inputs * group !== factors.length || outputs % group !== 0) {
    return `${factors.length} channels do not fit weights of dims [${weights.dims}] in ${group} groups`
  }
  const rows = new Float64Array(outputs * inputs)
  for (let output = 0; output < outputs; output++) {
    const first = Math.floor(output / (outputs / group)) * inputs
    rows.set(factors.subarray(first, first + inputs), output * inputs)
  }
  const scaled = scaleAxis(weights.reshape([outputs * inputs, ...kernel]), 0, rows)
  return typeof scaled === 'string' ? scaled : scaled.reshape(weights.dims)
}

/** W·t: for each output channel, the sum over its inputs, and over the kernel, of weight times shift. In float64. */
export function contractInputs(weights: Tensor, shift: Float64Array, { inputAxis, group }: InputLayout): Float64Array {
  const numbers = numbersOf(weights)
  const [first = 0, second = 0, ...kernel] = weights.dims
  const inner = kernel.reduce((product, dim) => product * dim, 1)
  const outputs = inputAxis === 1 ? first : second
  const sums = new Float64Array(outputs)
  for (let i = 0; i < first; i++) {
    for (let j = 0; j < second; j++) {
      const [output, input] = inputAxis === 1 ? [i, j] : [j, i]
      const channel = Math.floor(output / (outputs / group)) * (inputAxis === 1 ? second : first) + input
      const t = (group === 1 ? shift[input] : shift[channel]) as number
      const start = (i * second + j) * inner
      let sum = 0
      for (let k = start; k < start + inner; k++) sum += numbers[k] as number
      sums[output] = (sums[output] as number) + sum * t
    }
  }
  return sums
}
