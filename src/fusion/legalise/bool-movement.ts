import { elementTypes, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyNoKernel } from '../placement/kernel-of-node.ts'
import { runsOnWeb } from './lowering.ts'

/** Operators that move elements without looking at them, and which of their inputs hold these; without a list all do. */
const data: Readonly<Record<string, readonly number[] | undefined>> = {
  Concat: undefined,
  Flatten: [0],
  Slice: [0],
  Split: [0],
  Squeeze: [0],
  Tile: [0],
  Transpose: [0],
}

/** The type that stands for bool: every operator of the list has a kernel for it. */
const carrier = 'float32'

/**
 * Slice(b) → Cast(Slice(Cast(b, float32)), bool), and the same for what else moves elements, where b is bool, for which WebGPU has no such
 * kernel, and was computed there. Slice(Cast(x, bool)) → Cast(Slice(Cast(x, float32)), bool): what is not 0 stays so.
 */
export const boolMovement = defineFusion({
  name: 'bool-movement',
  roots: Object.keys(data),
  rewrite(root, graph, context) {
    const moved = root.inputs.filter((_, index) => data[root.op]?.includes(index) ?? true)
    if (context.target === 'onnx' || moved.some((x) => x === undefined || context.elementType(x) !== 'bool')) {
      return undefined
    }
    const known = moved.every((x) => x === undefined || x.constant !== undefined || context.data(x) !== undefined)
    if (known || runsOnWeb(root.op, root.opset, 'bool', context)) return undefined
    if (!runsOnWeb(root.op, root.opset, carrier, context))
      return `${root.op} has no WebGPU kernel for ${carrier} either`
    const onCpu = moved.find((x) => x?.producer && whyNoKernel('webgpu', x.producer, context) !== undefined)
    if (onCpu !== undefined) return `"${onCpu}" is computed on the CPU`
    const to = (x: Value, type: 'bool' | typeof carrier): Value =>
      graph.op('Cast', [x], { to: elementTypes[type].code })
    const carried = (x: Value): Value => {
      const [source] = x.producer?.is('Cast') === true ? x.producer.inputs : []
      const type = source && context.elementType(source)
      const isDirect = source !== undefined && type !== undefined && type !== carrier && type !== 'float64'
      if (source !== undefined && type === carrier) return source
      return to(isDirect && runsOnWeb('Cast', root.opset, type, context) ? source : x, carrier)
    }
    const inputs = root.inputs.map((x) => (x !== undefined && moved.includes(x) ? carried(x) : x))
    const node = graph.node(root.op, inputs, root.attributes.values(), { like: root, outputs: root.outputs.length })
    return node.outputs.map((output) => output && to(output, 'bool'))
  },
})
