import type { Node, Value } from '../../graph/index.ts'
import { type FusionContext, sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { microsoft, microsoftDomain } from './microsoft.ts'

/** The normalisations that take a residual in, and what they are called then. */
const skips: Readonly<Record<string, string>> = {
  LayerNormalization: 'SkipLayerNormalization',
  SimplifiedLayerNormalization: 'SkipSimplifiedLayerNormalization',
  RMSNormalization: 'SkipSimplifiedLayerNormalization',
}

/**
 * LayerNormalization(a + b) → SkipLayerNormalization(a, b), and the same for RMS. Where the sum has other users, as in every transformer that
 * normalises first, they get it from the fourth output. (a + bias) + b, with a bias of shape [C], is taken in too.
 */
export const skipNormalization = defineFusion({
  name: 'skip-normalization',
  roots: Object.keys(skips),
  rewrite(root, graph, context) {
    const [sum, scale, shift] = root.inputs
    const add = sum?.producer
    const op = skips[root.op]
    if (sum === undefined || !add?.is('Add') || op === undefined || scale === undefined) return undefined
    const [left, right] = add.inputs
    if (left === undefined || right === undefined) return undefined
    const reason = whyNotSkip(root, sum, left, right, context)
    if (reason !== undefined) return reason
    const [a, b, bias] = withoutBias(left, right, scale, context)
    const parameters = op === 'SkipLayerNormalization' ? [scale, shift, bias] : [scale, bias]
    while (parameters.at(-1) === undefined) parameters.pop()
    const { model } = graph.graph
    const more = sum.isOutput || sum.users.size > 1
    const names = [root.op, ...(more ? [undefined, undefined, 'sum'] : [])].map((name) => name && model.freshName(name))
    // The sum's other users may come before the normalisation, so the new node stands where the Add stood.
    const attributes = { epsilon: root.float('epsilon', 1e-5) }
    const skip = microsoft(graph.before(add), root, op, [a, b, ...parameters], attributes, names)
    const total = skip.outputs[3]
    return [{ from: root.output, to: skip.output }, ...(total === undefined ? [] : [{ from: sum, to: total }])]
  },
})

/** SkipLayerNormalization(a + bias, b) → SkipLayerNormalization(a, b, bias), where the bias came to light later. */
export const skipNormalizationBias = defineFusion({
  name: 'skip-normalization-bias',
  roots: ['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'].map((op) => `${microsoftDomain}::${op}`),
  rewrite(root, graph, context) {
    const [left, right, scale] = root.inputs
    const place = root.op === 'SkipLayerNormalization' ? 4 : 3
    if (left === undefined || right === undefined || scale === undefined || root.inputs[place] !== undefined)
      return undefined
    const [a, b, bias] = withoutBias(left, right, scale, context)
    if (bias === undefined) return undefined
    const inputs = [...root.inputs]
    while (inputs.length < place) inputs.push(undefined)
    const names = root.outputs.map((output) => output && graph.graph.model.freshName(output.name))
    return microsoft(graph, root, root.op, [a, b, ...inputs.slice(2), bias], root.attributes.values(), names).outputs
  },
})

function whyNotSkip(root: Node, sum: Value, left: Value, right: Value, context: FusionContext): string | undefined {
  if (context.target === 'onnx') return 'it is not in the ONNX standard with a residual'
  const noKernel = whyNoFloatKernel(sum, context)
  if (noKernel !== undefined) return noKernel
  if (root.outputs.slice(1).some((output) => output !== undefined)) return `${root} has further outputs`
  const epsilon = root.float('epsilon', 1e-5)
  if (!(epsilon >= 0)) return `its ε is ${epsilon}, below 0`
  const parameters = root.inputs.slice(1)
  if (parameters.some((value) => value !== undefined && value.constant === undefined))
    return 'its scale or bias is computed'
  if (parameters.some((value) => value?.constant !== undefined && value.constant.dims.length !== 1))
    return 'it is over more than one axis'
  const rank = context.shape(sum)?.length
  if (rank !== 2 && rank !== 3) return `the runtime has it for rank 2 and 3, and "${sum}" has rank ${rank}`
  const size = context.shape(sum)?.at(-1)
  if (parameters.some((value) => value?.constant?.size === 1) && size !== 1)
    return 'its scale or bias is one number for all channels'
  const axis = root.int('axis', -1)
  if (axis !== -1 && axis !== rank - 1) return `it is over more than the last axis`
  const [one, other] = [context.shape(left), context.shape(right)]
  const same = one?.length === other?.length && one?.every((dim, index) => sameDim(dim, other?.[index]))
  return same ? undefined : `"${left}" and "${right}" are not known to have the same shape`
}

/** The two summands, and the constant bias of shape [C] that one of them carries. */
function withoutBias(left: Value, right: Value, scale: Value, context: FusionContext): [Value, Value, Value?] {
  for (const [summand, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const { producer: add } = summand
    if (!add?.is('Add') || summand.isOutput || summand.users.size > 1) continue
    const bias = add.inputs.find((input) => input?.constant !== undefined)
    const data = add.inputs.find((input) => input !== bias)
    if (bias?.constant === undefined || data === undefined) continue
    const fits = bias.constant.dims.length === 1 && bias.constant.size === scale.constant?.size
    if (
      fits &&
      context.shape(data)?.length === context.shape(summand)?.length &&
      sameDim(context.shape(data)?.at(-1), bias.constant.size)
    ) {
      return summand === left ? [data, other, bias] : [other, data, bias]
    }
  }
  return [left, right]
}
