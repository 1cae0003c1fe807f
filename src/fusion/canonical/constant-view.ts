import { elementCount, type Node, type Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'

/** Bytes up to which a constant may stand in the file twice. */
const largestCopy = 16_384

/**
 * Reshape(W), Squeeze(W), Unsqueeze(W), Flatten(W) → W under other dims, and Transpose(W) → Wᵀ, for W constant.
 * Needs no runtime: all but Transpose leave the bytes as they are.
 */
export const constantView = defineFusion({
  name: 'constant-view',
  roots: ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose'],
  rewrite(root, graph) {
    const [input] = root.inputs
    const tensor = input?.constant
    if (tensor === undefined) return undefined
    if (input?.isUsed && input.users.size > 1 && tensor.byteLength > largestCopy) {
      return `"${input}" has other users, and a second copy of it would take ${tensor.byteLength} bytes`
    }
    if (root.op === 'Transpose') {
      const { dims } = tensor
      const permutation = root.ints('perm') ?? dims.map((_, axis) => dims.length - 1 - axis)
      const transposed = tensor.transpose(permutation)
      return transposed && graph.constant(transposed)
    }
    const dims = viewedDims(root, tensor)
    if (typeof dims === 'string' || dims === undefined) return dims
    return elementCount(dims) === tensor.size ? graph.constant(tensor.reshape(dims)) : undefined
  },
})

/** The dims of a view of a constant; a reason when the operand that says so is not constant, undefined when it makes no sense. */
function viewedDims(view: Node, { dims, size }: Tensor): number[] | string | undefined {
  const operand = view.inputs[1]
  if (operand !== undefined && operand.constant === undefined) return `"${operand}" is computed, not a constant`
  const numbers = operand?.constant === undefined ? undefined : Array.from(operand.constant.toNumbers())
  const rank = dims.length
  if (view.op === 'Flatten') {
    const axis = view.int('axis', 1)
    const split = axis < 0 ? axis + rank : axis
    return [elementCount(dims.slice(0, split)), elementCount(dims.slice(split))]
  }
  if (view.op === 'Reshape')
    return reshapedDims(dims, size, numbers ?? view.ints('shape'), view.int('allowzero', 0) !== 0)
  const axes = numbers ?? view.ints('axes')
  if (view.op === 'Squeeze') {
    const squeezed = axes?.map((axis) => (axis < 0 ? axis + rank : axis))
    return dims.filter((dim, axis) => (squeezed === undefined ? dim !== 1 : !squeezed.includes(axis)))
  }
  if (axes === undefined) return undefined
  const outputRank = rank + axes.length
  const inserted = new Set(axes.map((axis) => (axis < 0 ? axis + outputRank : axis)))
  const rest = [...dims]
  return Array.from({ length: outputRank }, (_, axis) => (inserted.has(axis) ? 1 : (rest.shift() ?? 1)))
}

/** 0 copies the dimension of the same place (unless allowzero), -1 takes what is left. */
function reshapedDims(
  dims: readonly number[],
  size: number,
  shape: readonly number[] | undefined,
  allowZero: boolean,
): number[] | undefined {
  if (shape === undefined) return undefined
  const copied = shape.map((dim, axis) => (dim === 0 && !allowZero ? (dims[axis] ?? 0) : dim))
  const known = copied.filter((dim) => dim !== -1).reduce((product, dim) => product * dim, 1)
  const result = copied.map((dim) => (dim === -1 ? size / known : dim))
  const fits = result.reduce((product, dim) => product * dim, 1) === size && result.every(Number.isInteger)
  return fits ? result : undefined
}
