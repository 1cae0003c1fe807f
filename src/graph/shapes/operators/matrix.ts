/** Products of matrices, in every spelling. */
import type { ElementType } from '../../element-type.ts'
import { broadcastDims, type Dim, unknownDim } from '../expression.ts'
import { broadcast, type Call, type Operator, type OperatorTable, ShapeMismatch, unify } from '../operator.ts'

/** NumPy's matmul: [.., m, k] · [.., k, n] → [.., m, n], vectors padded and the padding dropped again. */
export function matrixProduct(
  a: readonly Dim[] | undefined,
  b: readonly Dim[] | undefined,
): readonly Dim[] | undefined {
  if (a === undefined || b === undefined) return undefined
  if (a.length === 0 || b.length === 0) throw new ShapeMismatch('A matrix product has no scalars.')
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  const [m = 1, inner = 1] = left.slice(-2)
  const [outer = 1, n = 1] = right.slice(-2)
  unify(inner, outer)
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2)) ?? []
  return [...batch, ...(a.length === 1 ? [] : [m]), ...(b.length === 1 ? [] : [n])]
}

const matMul =
  (places: { a: number; b: number }, typeOf: (call: Call) => ElementType | undefined): Operator =>
  (call) => ({ elementType: typeOf(call), shape: matrixProduct(call.shape(places.a), call.shape(places.b)) })

const typeOfFirst = (call: Call): ElementType | undefined => call.elementType(0) ?? call.elementType(1)

/** A' [m, k] · B' [k, n] + C → [m, n] */
export const gemm: Operator = (call) => {
  const { node } = call
  const [a, b] = [call.shape(0), call.shape(1)]
  const elementType = typeOfFirst(call)
  // The runtime also takes a vector on the left, which the standard has not.
  if (a?.length === 1) return { elementType, shape: undefined }
  if ((a !== undefined && a.length !== 2) || (b !== undefined && b.length !== 2)) {
    throw new ShapeMismatch('Gemm multiplies matrices of rank 2.')
  }
  const [m = unknownDim(), k] = oriented(a, node.int('transA', 0) === 1)
  const [k2, n = unknownDim()] = oriented(b, node.int('transB', 0) === 1)
  if (k !== undefined && k2 !== undefined) unify(k, k2)
  return { elementType, shape: [m, n] }
}

const oriented = (shape: readonly Dim[] | undefined, transposed: boolean): readonly (Dim | undefined)[] =>
  transposed ? [shape?.[1], shape?.[0]] : [shape?.[0], shape?.[1]]

/** MatMul with transposed operands, and (`transBatch`) with the first axis moved before the last. */
export const fusedMatMul: Operator = (call) => {
  const operand = (index: number, letter: 'A' | 'B'): readonly Dim[] | undefined => {
    let shape = call.shape(index)
    if (shape === undefined || shape.length < 2) return shape
    if (call.node.int(`transBatch${letter}`, 0) === 1) {
      const [first = 1, ...rest] = shape
      shape = [...rest.slice(0, -1), first, ...rest.slice(-1)]
    }
    if (call.node.int(`trans${letter}`, 0) !== 1) return shape
    const [rows = 1, columns = 1] = shape.slice(-2)
    return [...shape.slice(0, -2), columns, rows]
  }
  return { elementType: typeOfFirst(call), shape: matrixProduct(operand(0, 'A'), operand(1, 'B')) }
}

/** Einstein summation: `bij,bjk->bik`, with `...` for dims that broadcast. */
const einsum: Operator = (call) => {
  const elementType = typeOfFirst(call)
  const equation = call.node.string('equation', '').replace(/\s/g, '')
  const [left = '', right] = equation.split('->')
  const terms = left.split(',').map((term) => splitTerm(term))
  const sizes = new Map<string, Dim>()
  let ellipsis: readonly Dim[] | undefined = []
  for (const [index, term] of terms.entries()) {
    const shape = call.shape(index)
    if (shape === undefined) return { elementType, shape: undefined }
    const spare = shape.length - term.before.length - term.after.length
    if (spare < 0 || (spare > 0 && !term.hasEllipsis)) {
      throw new ShapeMismatch(`The equation ${equation} does not fit a tensor of rank ${shape.length}.`)
    }
    const labels = [...term.before, ...term.after]
    const dims = [...shape.slice(0, term.before.length), ...shape.slice(term.before.length + spare)]
    for (const [place, label] of labels.entries()) {
      const dim = dims[place] ?? 1
      const known = sizes.get(label)
      const common = known === undefined ? dim : broadcastDims(known, dim)
      if (common === undefined) throw new ShapeMismatch(`The sizes ${known} and ${dim} of ${label} differ.`)
      sizes.set(label, common)
    }
    ellipsis = broadcast(ellipsis, shape.slice(term.before.length, term.before.length + spare))
  }
  const result = right === undefined ? implicitOutput(left) : splitTerm(right)
  const dimsOf = (labels: readonly string[]): Dim[] => labels.map((label) => sizes.get(label) ?? 1)
  return {
    elementType,
    shape: [...dimsOf(result.before), ...(result.hasEllipsis ? (ellipsis ?? []) : []), ...dimsOf(result.after)],
  }
}

interface EinsumTerm {
  readonly before: readonly string[]
  readonly hasEllipsis: boolean
  readonly after: readonly string[]
}

function splitTerm(term: string): EinsumTerm {
  const [before = '', after] = term.split('...')
  return { before: [...before], hasEllipsis: after !== undefined, after: [...(after ?? '')] }
}

/** Without an arrow: the dims of the ellipsis, then the labels that occur once, in the alphabet's order. */
function implicitOutput(left: string): EinsumTerm {
  const labels = [...left.replaceAll('...', '').replaceAll(',', '')]
  const once = labels.filter((label) => labels.indexOf(label) === labels.lastIndexOf(label))
  return { before: [], hasEllipsis: left.includes('...'), after: once.sort() }
}

/** [.., n, n] → [..] */
const determinant: Operator = (call) => ({ elementType: call.elementType(0), shape: call.shape(0)?.slice(0, -2) })

export const matrices: OperatorTable = {
  MatMul: matMul({ a: 0, b: 1 }, typeOfFirst),
  MatMulInteger: matMul({ a: 0, b: 1 }, () => 'int32'),
  QLinearMatMul: matMul({ a: 0, b: 3 }, (call) => call.elementType(7)),
  Gemm: gemm,
  Einsum: einsum,
  Det: determinant,
}
