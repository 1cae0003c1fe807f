import type { GraphBuilder, Value } from '../../graph/index.ts'
import { splitInto } from '../canonical/split-into.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'

/** The parts that a kernel can write: of the 8 storage buffers that WebGPU grants to every shader, one is read. */
const mostParts = 7

/**
 * Split(x) into n > 7 parts → Split(x) into 7 or fewer, each of them split again. onnxruntime-web writes all parts in one dispatch, with a storage
 * buffer for each (split.cc, 1.30), and fails in the run where the adapter has fewer.
 */
export const wideSplit = defineFusion({
  name: 'wide-split',
  roots: ['Split'],
  rewrite(root, graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    if (context.target === 'onnx' || root.outputs.length <= mostParts || x === undefined || type === undefined) {
      return undefined
    }
    if (!runsOnWeb('Split', root.opset, type, context)) return undefined
    const axis = root.int('axis', 0)
    const sizes = root.outputs.map((part) => part && context.shape(part)?.at(axis))
    return sizes.every((size) => typeof size === 'number')
      ? inSteps(graph, x, axis, sizes)
      : 'the sizes of its parts are not known'
  },
})

function inSteps(graph: GraphBuilder, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let length = 1
  while (length * mostParts < sizes.length) length *= mostParts
  const groups: (readonly number[])[] = []
  for (let start = 0; start < sizes.length; start += length) groups.push(sizes.slice(start, start + length))
  const totals = groups.map((group) => group.reduce((sum, size) => sum + size, 0))
  return splitInto(graph, x, axis, totals).flatMap((part, index) => {
    const group = groups[index] ?? []
    return group.length > 1 ? inSteps(graph, part, axis, group) : [part]
  })
}
