import { isFloat, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/** Operators that make no number below 0 of numbers none of which is: of the first input, or of all. NaN they make of NaN only (a pool of nothing does not). */
const keepsSign: Readonly<Record<string, 'first' | 'all'>> = {
  Add: 'all',
  Sum: 'all',
  Max: 'all',
  Min: 'all',
  Concat: 'all',
  Reshape: 'first',
  Flatten: 'first',
  Squeeze: 'first',
  Unsqueeze: 'first',
  Transpose: 'first',
  Expand: 'first',
  Tile: 'first',
  Slice: 'first',
  Split: 'first',
  Gather: 'first',
  DepthToSpace: 'first',
}

/** Nodes that are looked at behind one Relu, and elements of a constant beside it. */
const mostNodes = 16
const mostElements = 1024

/**
 * Relu(x) → x, where x has no number below 0: Relu(Relu(a) + Relu(b)), as residual blocks end which activate both branches, and what is
 * rearranged of such. Of floats, since a sum of whole numbers may wrap around.
 */
export const redundantRelu = defineFusion({
  name: 'redundant-relu',
  roots: ['Relu'],
  rewrite(root, _graph, context) {
    const [x] = root.inputs
    const type = x && context.elementType(x)
    return type !== undefined && isFloat(type) && isNotNegative(x) ? x : undefined
  },
})

function isNotNegative(value: Value | undefined): boolean {
  const values = [value]
  const seen = new Set<Node>()
  for (const current of values) {
    const constant = current?.constant
    if (constant !== undefined && constant.size <= mostElements && isNotNegativeConstant(constant)) continue
    const node = current?.producer
    if (node?.domain !== '' || seen.size > mostNodes) return false
    if (seen.has(node) || node.op === 'Relu') continue
    seen.add(node)
    const kept = keepsSign[node.op]
    if (kept === undefined) return false
    values.push(...(kept === 'all' ? node.inputs : node.inputs.slice(0, 1)))
  }
  return true
}

const isNotNegativeConstant = (constant: Tensor): boolean => constant.toNumbers().every((number) => number >= 0)
