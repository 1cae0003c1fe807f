import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

type Defaults = Readonly<Record<string, number | readonly number[]>>

/**
 * Conv, ConvTranspose and pools with all attributes written out. To leave them to their defaults is right, but onnxruntime-web's older
 * WebGPU build refuses a convolution without `dilations`.
 */
export const explicitAttributes = defineFusion({
  name: 'explicit-attributes',
  roots: ['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool'],
  rewrite(root, graph, context) {
    const kernel = root.ints('kernel_shape') ?? weightKernel(root, context)
    if (kernel === undefined || root.inputs[0] === undefined) return undefined
    const missing = Object.entries(defaultsOf(root, kernel)).filter(([name]) => !root.attributes.has(name))
    if (missing.length === 0) return undefined
    const node = graph.node(root.op, root.inputs, [...root.attributes.values()], {
      like: root,
      outputs: root.outputs.map((output) => output && graph.graph.model.freshName(output.name)),
    })
    for (const [name, value] of missing) node.setAttribute(name, value)
    return node.outputs
  },
})

/** The kernel's sizes from the weight [M, C/group, kernel…]. */
function weightKernel({ inputs: [, weight] }: Node, context: FusionContext): readonly number[] | undefined {
  const kernel = weight && context.shape(weight)?.slice(2)
  return kernel?.every((size) => typeof size === 'number') ? kernel : undefined
}

function defaultsOf(node: Node, kernel: readonly number[]): Defaults {
  const { op, opset } = node
  const all = (value: number): number[] => kernel.map(() => value)
  // Padding that the operator works out itself is not written down.
  const automatic = node.string('auto_pad', 'NOTSET') !== 'NOTSET' || node.attributes.has('output_shape')
  const common = { kernel_shape: kernel, strides: all(1), ...(automatic ? {} : { pads: [...all(0), ...all(0)] }) }
  if (op === 'Conv') return { ...common, dilations: all(1), group: 1 }
  if (op === 'ConvTranspose') return { ...common, dilations: all(1), group: 1, output_padding: all(0) }
  const ceilMode = opset >= 10 ? { ceil_mode: 0 } : {}
  if (op === 'MaxPool') return { ...common, ...ceilMode, ...(opset >= 10 ? { dilations: all(1) } : {}) }
  return {
    ...common,
    ...ceilMode,
    ...(opset >= 7 ? { count_include_pad: 0 } : {}),
    ...(opset >= 19 ? { dilations: all(1) } : {}),
  }
}
