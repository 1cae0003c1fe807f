import type { GraphBuilder, Node, Tensor, Value } from '../../graph/index.ts'
import { microsoftDomain } from '../blocks/microsoft.ts'
import { defineFusion } from '../define-fusion.ts'
import { any, constant, either, type Match, node, optional } from '../pattern.ts'

const [x, scale, zero, otherScale, otherZero] = [any(), constant(), constant(), constant(), constant()]

// What quantises an activation may have other users: each is a pair of its own.
const pairIn = (domain: string) =>
  node(
    'DequantizeLinear',
    [node('QuantizeLinear', [x, scale, optional(zero)], { shared: true, domain }), otherScale, optional(otherZero)],
    { domain },
  )

/**
 * Dequantize(Quantize(x)) → x, or Clip(x) where the lowest quantised number stands for 0: quantisers leave Relu out there, since cutting off below 0 does
 * the same. Both in the ONNX standard, or both as onnxruntime has them. Not a fusion like the others: without the rounding the numbers are others.
 */
export const activationQuantization = defineFusion({
  name: 'activation-quantization',
  pattern: either(pairIn(''), pairIn(microsoftDomain)),
  conditions: [
    (match) => {
      const zeros = [zero, otherZero].map((one) => (match.has(one) ? match.tensor(one) : undefined))
      const same = equal(match.tensor(scale), match.tensor(otherScale)) && sameZeros(zeros)
      return same ? undefined : 'its two scales or zero points differ'
    },
    (match) => {
      const { root } = match
      const [before, after] = [root.inputs[0]?.producer, root].map((one) => one && settingsOf(one, match.tensor(scale)))
      return before === after ? undefined : 'its two axes or block sizes differ'
    },
    (match, context) => {
      const type = context.elementType(match.value(x))
      return type !== undefined && type === match.tensor(otherScale).elementType
        ? undefined
        : `it makes ${match.tensor(otherScale).elementType} of ${type}`
    },
  ],
  replace(match, graph) {
    const input = match.value(x)
    const steps = stepsAboveZero(match)
    if (steps === undefined || isNotNegative(input)) return input
    const s = match.tensor(scale)
    const largest = Number(s.scalar) * steps
    if (match.root.graph.model.opset < 11)
      return graph.op('Clip', [input], { min: 0, max: largest }, { like: match.root })
    return graph.op('Clip', [input, clipBound(graph, s, 0), clipBound(graph, s, largest)], {}, { like: match.root })
  },
})

const clipBound = (graph: GraphBuilder, { elementType }: Tensor, number: number): Value =>
  graph.constant([number], { type: elementType, dims: [] })

/** How many quantised numbers are above the one for 0, where none is below it; undefined elsewhere, and where there is more than one scale. */
function stepsAboveZero(match: Match): number | undefined {
  if (match.tensor(scale).scalar === undefined) return undefined
  const z = match.has(zero) ? match.tensor(zero) : undefined
  const type = z?.elementType ?? 'uint8'
  const bits = /^u?int(8|16)$/.exec(type)?.[1]
  const lowest = type.startsWith('u') ? 0 : -(2 ** (Number(bits) - 1))
  return bits !== undefined && (z?.scalar ?? 0) === lowest ? 2 ** Number(bits) - 1 : undefined
}

/** Operators whose results are never below 0. */
const notNegative = new Set(['Relu', 'Sigmoid', 'HardSigmoid', 'Softmax', 'Softplus', 'Abs', 'Exp', 'Sqrt'])

/** Operators whose results are never below 0 where what they are given is not. */
const keepsSign = new Set('AveragePool Flatten GlobalAveragePool MaxPool Reshape Transpose'.split(' '))

function isNotNegative({ producer }: Value): boolean {
  if (producer?.is('Clip')) return (producer.inputs[1]?.constant?.scalar ?? -1) >= 0
  if (producer?.domain !== '') return false
  const [x] = producer.inputs
  return notNegative.has(producer.op) || (keepsSign.has(producer.op) && x !== undefined && isNotNegative(x))
}

/** One number is the same for a tensor of rank 0 and of rank 1. */
const equal = (a: Tensor, b: Tensor): boolean =>
  a.elementType === b.elementType &&
  (String(a.dims) === String(b.dims) || (a.size === 1 && b.size === 1)) &&
  a.bytes.every((byte, index) => byte === b.bytes[index])

/** Left out, a zero point is 0 of uint8. */
function sameZeros([a, b]: readonly (Tensor | undefined)[]): boolean {
  if (a !== undefined && b !== undefined) return equal(a, b)
  const given = a ?? b
  return given === undefined || (given.elementType === 'uint8' && given.bytes.every((byte) => byte === 0))
}

/** Where a scale is for everything, the axis means nothing. */
const settingsOf = (one: Node, { size }: Tensor): string =>
  size === 1 ? '' : `${one.int('axis', 1)} ${one.int('block_size', 0)}`
