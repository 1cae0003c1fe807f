import type { Node, Operand } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { dequantized, quantizedAt, requantized } from './quantized.ts'

/** An operator on quantised numbers: its inputs, and the operator of floats. */
interface Layout {
  readonly op: string
  /** Where the numbers of each operand are; their scale and zero point follow. Default: after the scale and zero point of the result, to the end. */
  readonly operands?: readonly number[]
  /** How many inputs are before them. Default: none. */
  readonly plain?: number
  /** Where the scale of the result is; its zero point follows. */
  readonly result: number
  /** Attributes that the operator of floats has as well. */
  readonly attributes?: readonly string[]
  /** Why the operator of floats would compute something else. */
  readonly whyNot?: (node: Node, context: FusionContext) => string | undefined
}

const unary = { operands: [0], result: 3 } as const
const binary = { operands: [0, 3], result: 6 } as const

const channelsLast = (node: Node): string | undefined =>
  node.int('channels_last', 0) === 0 ? undefined : 'its channels are last'

const layouts: Readonly<Record<string, Layout>> = {
  QLinearAdd: { op: 'Add', ...binary },
  QLinearMul: { op: 'Mul', ...binary },
  QLinearSigmoid: { op: 'Sigmoid', ...unary },
  QLinearLeakyRelu: { op: 'LeakyRelu', ...unary, attributes: ['alpha'] },
  QLinearGlobalAveragePool: { op: 'GlobalAveragePool', ...unary, whyNot: channelsLast },
  QLinearAveragePool: {
    op: 'AveragePool',
    ...unary,
    attributes: ['auto_pad', 'count_include_pad', 'kernel_shape', 'pads', 'strides'],
    whyNot: (node) => (node.int('ceil_mode', 0) === 0 ? channelsLast(node) : 'it rounds its size up'),
  },
  QLinearSoftmax: { op: 'Softmax', ...unary, attributes: ['axis'], whyNot: otherSoftmax },
  QLinearConcat: { op: 'Concat', result: 0, attributes: ['axis'] },
  QLinearWhere: { op: 'Where', plain: 1, operands: [1, 4], result: 7 },
}

/** onnxruntime's operators on quantised numbers, QLinearAdd and others → Dequantize, the operator, Quantize: what is dequantised can be floats then. */
export const linearOperator = defineFusion({
  name: 'linear-operator',
  roots: Object.keys(layouts).map((op) => `com.microsoft::${op}`),
  rewrite(root, graph, context) {
    const layout = layouts[root.op]
    if (layout === undefined) return undefined
    const reason = layout.whyNot?.(root, context)
    if (reason !== undefined) return reason
    const floats: Operand[] = root.inputs.slice(0, layout.plain ?? 0)
    for (const place of layout.operands ?? everyThird(root)) {
      const quantized = quantizedAt(root, place)
      const operand = quantized && dequantized(graph, quantized, -1)
      if (operand === undefined || typeof operand === 'string') return operand
      floats.push(operand)
    }
    const attributes = (layout.attributes ?? []).flatMap((name) => root.attributes.get(name) ?? [])
    const result = graph.op(layout.op, floats, attributes, { like: root })
    return requantized(graph, result, root, layout.result)
  },
})

/** The operands of a Concat, after the scale and zero point of its result. */
const everyThird = ({ inputs }: Node): number[] =>
  Array.from({ length: Math.floor((inputs.length - 2) / 3) }, (_, index) => 2 + 3 * index)

/** Before opset 13, Softmax is over its axis and all that follow; the operator says by which opset it goes. */
function otherSoftmax(node: Node, context: FusionContext): string | undefined {
  const [x] = node.inputs
  const axis = node.int('axis')
  const isLast = axis === -1 || (axis !== undefined && x !== undefined && context.shape(x)?.length === axis + 1)
  const sameMeaning = axis !== undefined && node.int('opset', 13) < 13 === node.graph.model.opset < 13
  return isLast || sameMeaning ? undefined : 'its axis means something else in the opset of the model'
}
