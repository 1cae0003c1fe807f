import { elementCount, type Node, type Tensor } from '../../graph/index.ts'
import { type FusionContext, sameDim, sameShape } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { elementwiseAffine } from '../linear/elementwise-affine.ts'
import { roundTo } from '../linear/linear-weights.ts'
import { whyNotConstant, whyShared } from '../pattern.ts'

/** Where a normalisation has its scale and bias, and which axes they are for: the last ones from `axis`, or the channels of [N, C, …]. */
interface Normaliser {
  readonly scale: number
  readonly bias?: number
  readonly channels?: true
}

const normalisers: Readonly<Record<string, Normaliser>> = {
  LayerNormalization: { scale: 1, bias: 2 },
  SimplifiedLayerNormalization: { scale: 1 },
  RMSNormalization: { scale: 1 },
  InstanceNormalization: { scale: 1, bias: 2, channels: true },
  'com.microsoft::SkipLayerNormalization': { scale: 2, bias: 3 },
  'com.microsoft::SkipSimplifiedLayerNormalization': { scale: 2 },
}

/** Norm(x; γ, β)·s + t → Norm(x; γ·s, β·s + t), for constants that vary along the normalised axes only; also through a Transpose. */
export const normalizationAffine = defineFusion({
  name: 'normalization-affine',
  roots: ['Mul', 'Div', 'Add', 'Sub', 'Neg'],
  rewrite(root, graph, context) {
    const [direct] = root.inputs.filter((input) => input?.constant === undefined)
    const transpose = direct?.producer?.is('Transpose') ? direct.producer : undefined
    const output = transpose?.inputs[0] ?? direct
    const norm = output?.producer
    const normaliser = norm && normalisers[norm.target]
    if (output === undefined || direct === undefined || norm?.outputs[0] !== output || normaliser === undefined)
      return undefined
    const elementwise = elementwiseAffine(root)
    if (elementwise === undefined || typeof elementwise === 'string') return elementwise
    const shared = whyUsed(norm) ?? (transpose && whyShared(direct))
    if (shared !== undefined) return shared
    const [scale, bias] = [normaliser.scale, normaliser.bias].map((index) =>
      index === undefined ? undefined : norm.inputs[index],
    )
    const variable = [scale, bias].find((value) => value !== undefined && value.constant === undefined)
    if (variable !== undefined) return whyNotConstant(variable)
    const gamma = scale?.constant
    if (gamma === undefined) return undefined
    const different = bias?.constant !== undefined && !sameShape(bias.constant.dims, gamma.dims)
    if (different) return `the scale of ${norm} and its bias differ in shape`
    const place = (c: Tensor): Float64Array | string => spread(c, norm, normaliser, gamma, transpose, context)
    const affine = elementwise.affine(place, gamma.size)
    if (typeof affine === 'string') return affine
    const shifts = affine.shift.some((shift) => shift !== 0)
    if (shifts && normaliser.bias === undefined) return `${norm.op} has no bias`
    const γ = roundTo(
      gamma,
      gamma.dims,
      gamma.toNumbers().map((value, i) => value * (affine.scale[i] ?? 1)),
    )
    const β = bias?.constant?.toNumbers()
    const shift = affine.shift.map((value, i) => (β?.[i] ?? 0) * (affine.scale[i] ?? 1) + value)
    const newBias = shifts || bias !== undefined ? roundTo(gamma, gamma.dims, shift) : undefined
    if (typeof γ === 'string' || typeof newBias === 'string')
      return `the fused scale and bias do not fit ${gamma.elementType}`
    const inputs: (Node['inputs'][number] | Tensor)[] = [...norm.inputs]
    inputs[normaliser.scale] = γ
    if (normaliser.bias !== undefined && newBias !== undefined) inputs[normaliser.bias] = newBias
    const outputs = norm.outputs.map((value) => value && graph.graph.model.freshName(value.name))
    const made = graph
      .before(norm)
      .node(norm.op, inputs, norm.attributes.values(), { domain: norm.domain, like: norm, outputs })
    const result =
      transpose === undefined ? made.output : graph.op('Transpose', [made.output], transpose.attributes.values())
    // A skip normalisation has the sum among its outputs, and others may use that.
    const others = norm.outputs.flatMap((from, index) => {
      const to = made.outputs[index]
      return index > 0 && from !== undefined && to !== undefined ? [{ from, to }] : []
    })
    return [{ from: root.output, to: result }, ...others]
  },
})

/** Why the normal output must stay as it is; that the sum of a skip normalisation has users is no obstacle. */
function whyUsed(norm: Node): string | undefined {
  const { output } = norm
  return output.isOutput || output.users.size > 1 ? whyShared(output) : undefined
}

/**
 * A constant's number for each element of the scale; the reason when it varies along other axes, or stretches the data.
 * There may be a Transpose between the normalisation and the constant.
 */
function spread(
  c: Tensor,
  norm: Node,
  { channels }: Normaliser,
  gamma: Tensor,
  transpose: Node | undefined,
  context: FusionContext,
): Float64Array | string {
  const shape = context.shape(norm.output)
  if (shape === undefined) return `the rank of ${norm} is not known`
  const rank = shape.length
  const inOrder = shape.map((_, axis) => axis)
  const perm = transpose ? (transpose.ints('perm') ?? inOrder.toReversed()) : inOrder
  if (c.dims.length > rank) return `a constant of rank ${c.dims.length} raises the rank of ${norm}`
  const padded = [...new Array<number>(rank - c.dims.length).fill(1), ...c.dims]
  // Axis i after the Transpose is axis perm[i] before it.
  const dims = padded.map((_, axis) => padded[perm.indexOf(axis)] ?? 1)
  const axes = channels ? [1] : gamma.dims.map((_, index) => rank - gamma.dims.length + index)
  for (const [axis, dim] of dims.entries()) {
    if (dim === 1) continue
    if (!axes.includes(axis))
      return `a constant of dims [${c.dims}] varies along axis ${axis}, which ${norm} has no scale for`
    if (!sameDim(dim, shape[axis]) || dim !== gamma.dims[axes.indexOf(axis)])
      return `a constant of dims [${c.dims}] stretches ${norm}`
  }
  const places = axes.map((axis) => perm.indexOf(axis))
  return broadcast(c.toNumbers(), padded, places, gamma.dims)
}

/** The numbers of a constant for each element of the target, whose axes are those axes of the constant. */
function broadcast(
  numbers: Float64Array,
  dims: readonly number[],
  axes: readonly number[],
  target: readonly number[],
): Float64Array {
  const steps = axes.map((axis) => (dims[axis] === 1 ? 0 : elementCount(dims.slice(axis + 1))))
  const result = new Float64Array(elementCount(target))
  for (let to = 0; to < result.length; to++) {
    let [rest, from] = [to, 0]
    for (let axis = target.length - 1; axis >= 0; axis--) {
      const size = target[axis] ?? 1
      from += (rest % size) * (steps[axis] ?? 0)
      rest = Math.floor(rest / size)
    }
    result[to] = numbers[from] ?? 0
  }
  return result
}
