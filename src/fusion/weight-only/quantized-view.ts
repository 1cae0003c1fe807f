import type { GraphBuilder, Node, Tensor, Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNotConstant } from '../pattern.ts'

/** Operators that move elements, or keep the largest, whatever the numbers are: rounding before or after is the same. */
const views = `DepthToSpace Expand Flatten Gather Identity MaxPool Reshape Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze`

/** A view of Quantize(x), such as Reshape or MaxPool → Quantize(the same view of x): what takes it can be floats then. */
export const quantizedView = defineFusion({
  name: 'quantized-view',
  roots: [...views.split(' '), 'Pad', 'Resize'],
  rewrite(root, graph) {
    const [numbers, ...rest] = root.inputs
    const quantize = numbers?.producer
    if (!quantize?.is('QuantizeLinear')) return undefined
    const [x, scale, zero] = quantize.inputs
    if (scale?.constant?.scalar === undefined) return 'what it views is not quantised by one constant scale'
    if (zero !== undefined && zero.constant?.scalar === undefined) return 'what it views has no one zero point'
    if (root.outputs[1]?.isUsed && root.is('MaxPool')) return 'where the largest is may depend on rounding'
    const others = operandsOf(root, rest, { scale: scale.constant, zero: zero?.constant?.scalar ?? 0 }, graph)
    if (typeof others === 'string') return others
    const count = root.is('MaxPool') ? 1 : root.outputs.length
    const view = graph.node(root.op, [x, ...others], root.attributes.values(), { like: root, outputs: count })
    return view.outputs.map((output) => output && graph.op('QuantizeLinear', [output, scale, zero]))
  },
})

/** What the view takes besides, on floats; a string is a reason why they would be others. */
function operandsOf(
  root: Node,
  rest: readonly (Value | undefined)[],
  { scale, zero }: { scale: Tensor; zero: number },
  graph: GraphBuilder,
): readonly (Value | undefined)[] | string {
  if (root.is('Resize')) {
    const [mode, place] = [root.string('mode', 'nearest'), root.string('coordinate_transformation_mode', '')]
    return mode !== 'cubic' && place !== 'tf_crop_and_resize' ? rest : 'it makes numbers beyond those that it is given'
  }
  if (!root.is('Pad') || root.string('mode', 'constant') !== 'constant') return rest
  const [pads, padding, ...axes] = rest
  if (padding !== undefined && padding.constant?.scalar === undefined) return whyNotConstant(padding)
  const floats = ((padding?.constant?.scalar ?? 0) - zero) * (scale.scalar ?? Number.NaN)
  return [pads, graph.constant([floats], { type: scale.elementType, dims: [] }), ...axes]
}
