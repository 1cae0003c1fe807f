import { type Attribute, int64, type Node, type Operand, Tensor } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** A node in the form that a newer operator set gives it. */
export interface NewerForm {
  op?: string
  inputs: readonly Operand[]
  attributes: Iterable<Attribute> | Readonly<Record<string, number | string | readonly number[]>>
}

/** How an operator's form changed in an opset: the same node in the new form, or the reason why it has none. */
export interface Change {
  opset: number
  convert(node: Node, context: FusionContext): NewerForm | string
}

/**
 * Every operator of the ONNX standard whose meaning or form changed between opsets 8 and 17. Those that are not listed have only gained
 * element types, optional inputs or attributes whose default is what was before: the same node means the same in each of them.
 */
export const changes: Readonly<Record<string, readonly Change[]>> = {
  BatchNormalization: [{ opset: 14, convert: inferenceBatchNorm }],
  Clip: [{ opset: 11, convert: clipBounds }],
  Dropout: [{ opset: 12, convert: inactiveDropout }],
  Hardmax: [{ opset: 13, convert: lastAxis }],
  LogSoftmax: [{ opset: 13, convert: lastAxis }],
  Pad: [{ opset: 11, convert: padOperands }],
  ReduceSum: [{ opset: 13, convert: (node) => asOperand(node, 'axes') }],
  Resize: [
    { opset: 11, convert: asymmetricResize },
    { opset: 13, convert: namedCoordinates },
  ],
  Scan: [{ opset: 9, convert: () => 'Scan was another operator before opset 9' }],
  Scatter: [
    {
      opset: 11,
      convert: (node) => ({ op: 'ScatterElements', inputs: node.inputs, attributes: node.attributes.values() }),
    },
  ],
  Slice: [{ opset: 10, convert: sliceOperands }],
  Softmax: [{ opset: 13, convert: lastAxis }],
  Split: [{ opset: 13, convert: (node) => asOperand(node, 'split') }],
  Squeeze: [{ opset: 13, convert: (node) => asOperand(node, 'axes') }],
  TopK: [{ opset: 10, convert: topKOperand }],
  Unsqueeze: [{ opset: 13, convert: (node) => asOperand(node, 'axes') }],
  Upsample: [{ opset: 10, convert: upsampleAsResize }],
}

const without = (node: Node, ...names: string[]): Attribute[] =>
  [...node.attributes.values()].filter(({ name }) => !names.includes(name))

/** An attribute that became the second input. */
function asOperand(node: Node, name: string): NewerForm {
  const values = node.ints(name)
  return {
    inputs: [node.inputs[0], values === undefined ? undefined : int64(values)],
    attributes: without(node, name),
  }
}

function inferenceBatchNorm(node: Node): NewerForm | string {
  if (node.outputs.slice(1).some((output) => output !== undefined))
    return 'it is in training mode (it outputs statistics)'
  if (node.int('spatial', 1) === 0) return 'it has statistics for every pixel (spatial = 0)'
  return { inputs: node.inputs, attributes: without(node, 'spatial') }
}

/** Its mask had the data's type until opset 10, and outside training no values that anything says. */
function inactiveDropout(node: Node): NewerForm | string {
  if (node.outputs[1]?.isUsed) return `its mask "${node.outputs[1]}" is used`
  return { inputs: node.inputs, attributes: without(node, 'ratio') }
}

const largestFloat32 = 3.4028234663852886e38

/** Clip-6 takes its bounds as attributes; a bound that is not written is the largest finite float, which clips infinities. */
function clipBounds(node: Node, context: FusionContext): NewerForm | string {
  const [x] = node.inputs
  const type = x && context.elementType(x)
  if (type !== 'float32' && type !== 'float64' && type !== 'float16') return `its type is ${type ?? 'unknown'}`
  const bound = (name: string, fallback: number): Tensor => Tensor.fromNumbers(type, [], [node.float(name, fallback)])
  return { inputs: [x, bound('min', -largestFloat32), bound('max', largestFloat32)], attributes: {} }
}

function padOperands(node: Node, context: FusionContext): NewerForm | string {
  const [x] = node.inputs
  const type = x && context.elementType(x)
  const pads = node.ints('pads')
  if (pads === undefined || (type !== 'float32' && type !== 'float64' && type !== 'float16')) {
    return `its type is ${type ?? 'unknown'}`
  }
  return {
    inputs: [x, int64(pads), Tensor.fromNumbers(type, [], [node.float('value', 0)])],
    attributes: without(node, 'pads', 'value'),
  }
}

function sliceOperands(node: Node): NewerForm | string {
  const [starts, ends, axes] = [node.ints('starts'), node.ints('ends'), node.ints('axes')]
  if (starts === undefined || ends === undefined) return 'it has no starts and ends'
  return { inputs: [node.inputs[0], int64(starts), int64(ends), axes && int64(axes)], attributes: {} }
}

function topKOperand(node: Node): NewerForm | string {
  const k = node.int('k')
  return k === undefined ? 'it has no k' : { inputs: [node.inputs[0], int64([k])], attributes: without(node, 'k') }
}

/** Before opset 13 these see a matrix, split before `axis`: the same as along one axis only where that is the last. */
function lastAxis(node: Node, context: FusionContext): NewerForm | string {
  const [x] = node.inputs
  const rank = x && context.shape(x)?.length
  const axis = node.int('axis', 1)
  if (rank === undefined) return `the rank of "${x}" is unknown`
  if (axis !== -1 && axis !== rank - 1) return `it normalises over axes ${axis} to ${rank - 1} together`
  return { inputs: [x], attributes: { axis: -1 } }
}

/** Resize-10 and Upsample map coordinates as `asymmetric`, and round down. */
const asymmetric = (node: Node): Record<string, string> => ({
  mode: node.string('mode', 'nearest') === 'nearest' ? 'nearest' : 'linear',
  coordinate_transformation_mode: 'asymmetric',
  nearest_mode: 'floor',
})

function asymmetricResize(node: Node): NewerForm {
  return { op: 'Resize', inputs: [node.inputs[0], undefined, node.inputs[1]], attributes: asymmetric(node) }
}

/** One way to map coordinates is gone since opset 13. */
function namedCoordinates(node: Node): NewerForm | string {
  const mode = 'tf_half_pixel_for_nn'
  if (node.string('coordinate_transformation_mode', '') === mode) return `it maps coordinates as ${mode}`
  return { inputs: node.inputs, attributes: node.attributes.values() }
}

function upsampleAsResize(node: Node): NewerForm | string {
  const scales = node.attributes.get('scales')?.floats
  const operand = node.opset < 9 ? scales && Tensor.fromNumbers('float32', [scales.length], scales) : node.inputs[1]
  return operand === undefined
    ? 'it has no scales'
    : { op: 'Resize', inputs: [node.inputs[0], undefined, operand], attributes: asymmetric(node) }
}
