import { type GraphBuilder, int64, isFloat, type Node, type Value } from '../../graph/index.ts'
import { nodeWithIntegers } from '../canonical/integer-operand.ts'
import { sameDim } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'

/**
 * Einsum → MatMul, Mul, ReduceSum or Transpose, where those compute the same: `bij,bjk->bik`, `bhid,bhjd->bhij`, `bqhd,bkhd->bhqk`,
 * `ij,j->i`, `i,j->ij`, `ij->ji`, `ijk->i`; and for constant weights W `abc,cde->abde`, `abcd,cde->abe` (Keras' EinsumDense).
 *
 * A contraction becomes a MatMul with at most one Transpose for each operand and one for the result. Constant weights become a matrix, where
 * several of their indices are summed over or kept. Left alone: an index twice in one operand (a diagonal), a sum over an index of one operand
 * beside a product, several indices of computed operands that would have to become one, and an index that may have size 1 in one operand and
 * another size in the other: Einsum stretches it, and a MatMul does not.
 */
export const einsum = defineFusion({
  name: 'einsum',
  roots: ['Einsum'],
  rewrite(root, graph, context) {
    const operands = root.inputs.filter((input) => input !== undefined)
    const shapes = operands.map((operand) => context.shape(operand))
    const equation = parseEquation(
      root.string('equation', ''),
      shapes.map((shape) => shape?.length),
    )
    if (typeof equation === 'string') return equation
    const { inputs, output } = equation
    const repeated = [...inputs, output].find((indices) => new Set(indices).size !== indices.length)
    if (repeated !== undefined) return `"${repeated.join('')}" has an index twice`
    const unknown = output.find((index) => !inputs.some((indices) => indices.includes(index)))
    if (unknown !== undefined) return `no operand has its index "${unknown}"`
    const [a, b] = operands
    const [A, B] = inputs
    if (a === undefined || A === undefined || operands.length > 2) return 'it has more than two operands'
    if (b === undefined || B === undefined) return reduced(a, A, output, root, graph)
    const contracted = A.filter((index) => B.includes(index) && !output.includes(index))
    const alone = [...A, ...B].find((index) => !output.includes(index) && !contracted.includes(index))
    if (alone !== undefined) return `it sums over "${alone}" of one operand alone`
    if (contracted.length === 0) return multiplied([a, b], [A, B], output, root, graph)
    if (!isFloat(context.elementType(a) ?? context.elementType(b))) return 'a MatMul is for floats'
    const unsure = contracted.find((index) => !sameDim(shapes[0]?.[A.indexOf(index)], shapes[1]?.[B.indexOf(index)]))
    if (unsure !== undefined) return `"${unsure}" is not known to have one size in both operands`
    const sizesOf = (index: string) => [shapes[0]?.[A.indexOf(index)], shapes[1]?.[B.indexOf(index)]]
    const mayBeZero = (index: string): boolean =>
      sizesOf(index).some((size) => size !== undefined && !context.isPositive(size))
    const stretched = output.find((index) => sizesOf(index).includes(1) && mayBeZero(index))
    if (stretched !== undefined) return `"${stretched}" is 1 in one operand and may be 0 in the other`
    const isEmpty = [...output, ...contracted].some(mayBeZero)
    return contractedProduct([a, b], [A, B], output, contracted, root, graph, isEmpty)
  },
})

type Indices = readonly string[]

/** The indices of operands and output, `...` written out as numbers from the right; the reason when too little is known. */
function parseEquation(
  text: string,
  ranks: readonly (number | undefined)[],
): { inputs: Indices[]; output: Indices } | string {
  const [left = '', right] = text.replaceAll(/\s/g, '').split('->')
  const terms = left.split(',')
  if (terms.length !== ranks.length) return 'its equation does not fit its operands'
  let widest = 0
  const inputs: Indices[] = []
  for (const [operand, term] of terms.entries()) {
    const letters = [...term.replace('...', '')]
    const rank = ranks[operand] ?? (term.includes('...') ? undefined : letters.length)
    if (rank === undefined || rank < letters.length) return 'the rank of an operand with "..." is unknown'
    if (!term.includes('...') && rank !== letters.length) return 'its equation does not fit its operands'
    const hidden = rank - letters.length
    widest = Math.max(widest, hidden)
    inputs.push(expand(term, hidden))
  }
  const output = right === undefined ? implicitOutput(inputs, widest) : expand(right, widest)
  return { inputs, output }
}

/** The axes under `...` bear numbers, 1 being the last. */
function expand(term: string, hidden: number): Indices {
  const numbers = Array.from({ length: hidden }, (_, index) => String(hidden - index))
  const [before = '', after] = term.split('...')
  return after === undefined ? [...before] : [...before, ...numbers, ...after]
}

/** Without an arrow: the axes under `...`, then every index that occurs once, in the order of the alphabet. */
function implicitOutput(inputs: readonly Indices[], widest: number): Indices {
  const all = inputs.flat().filter((index) => Number.isNaN(Number(index)))
  const once = all.filter((index) => all.indexOf(index) === all.lastIndexOf(index))
  return [...expand('...', widest), ...once.sort()]
}

/** A value with its axes in another order; itself where the order is the same. */
function ordered(value: Value, from: Indices, to: Indices, graph: GraphBuilder): Value {
  const perm = to.map((index) => from.indexOf(index))
  return perm.every((axis, index) => axis === index) ? value : graph.op('Transpose', [value], { perm })
}

/** One operand: a sum over what the output has not, and a transpose. */
function reduced(value: Value, indices: Indices, output: Indices, root: Node, graph: GraphBuilder): Value | string {
  const axes = indices.flatMap((index, axis) => (output.includes(index) ? [] : [axis]))
  const rest = indices.filter((index) => output.includes(index))
  if (axes.length === 0) {
    return rest.join() === output.join() ? graph.op('Identity', [value]) : ordered(value, rest, output, graph)
  }
  const sum =
    root.opset >= 13
      ? graph.op('ReduceSum', [value, int64(axes)], { keepdims: 0 }, { like: root })
      : graph.op('ReduceSum', [value], { axes, keepdims: 0 }, { like: root })
  return ordered(sum, rest, output, graph)
}

/** Nothing is summed over: each operand's axes in the order of the output, with an axis of 1 where it has none. */
function multiplied(
  values: readonly [Value, Value],
  indices: readonly [Indices, Indices],
  output: Indices,
  root: Node,
  graph: GraphBuilder,
): Value | string {
  const present = indices.map((own) => output.filter((index) => own.includes(index)))
  const operands = values.map((value, operand) => {
    const own = present[operand] ?? []
    const first = output.indexOf(own[0] ?? '')
    const missing = output.flatMap((index, axis) =>
      own.includes(index) || axis < first ? [] : [axis - Math.max(first, 0)],
    )
    const aligned = ordered(value, indices[operand] ?? [], own, graph)
    if (missing.length === 0 || own.length === 0) return aligned
    return root.opset >= 13
      ? graph.op('Unsqueeze', [aligned, int64(missing)])
      : graph.op('Unsqueeze', [aligned], { axes: missing })
  })
  return graph.op('Mul', operands, {}, { like: root })
}

/**
 * A: [batch, rows, k], B: [batch, k, columns] → [batch, rows, columns]. Without a batch B is a matrix, and A may have any number of rows'
 * axes; an operand that is nothing but k is a vector.
 */
function contractedProduct(
  [a, b]: readonly [Value, Value],
  [A, B]: readonly [Indices, Indices],
  output: Indices,
  contracted: Indices,
  root: Node,
  graph: GraphBuilder,
  mayBeEmpty: boolean,
): Value | string {
  const product = b.constant
    ? weighted([a, b], [A, B], output, contracted, root, graph, mayBeEmpty)
    : weighted([b, a], [B, A], output, contracted, root, graph, mayBeEmpty)
  if (product !== undefined) return product
  // The operand whose own indices come last in the output is on the right; a vector may stand there anyway.
  const last = output.at(-1)
  const isSwapped = last !== undefined && A.includes(last) && !B.includes(last) && B.length > contracted.length
  const [left, right, L, R] = isSwapped ? [b, a, B, A] : [a, b, A, B]
  const batch = output.filter((index) => L.includes(index) && R.includes(index))
  const rows = output.filter((index) => L.includes(index) && !R.includes(index))
  const columns = output.filter((index) => !L.includes(index) && R.includes(index))
  if (contracted.length > 1) return `"${contracted.join('')}" would have to become one axis`
  const isVector = { left: batch.length + rows.length === 0, right: batch.length + columns.length === 0 }
  const isPlain = batch.length === 0 && (columns.length === 1 || isVector.right)
  if (columns.length > 1 || (rows.length !== 1 && !isPlain) || (columns.length !== 1 && !isVector.right)) {
    return `"${[...rows, ...columns].join('')}" would have to become one axis of rows and one of columns`
  }
  const operand = ordered(right, R, [...batch, ...contracted, ...columns], graph)
  const matrix = matmul(
    [ordered(left, L, [...batch, ...rows, ...contracted], graph), operand],
    isVector.right && mayBeEmpty ? rows.length : undefined,
    root,
    graph,
  )
  return ordered(matrix, [...batch, ...rows, ...columns], output, graph)
}

/** MatMul; with a number of rows' axes, of a vector, which the runtime multiplies with nothing empty: as a matrix of one column. */
function matmul(
  [left, right]: readonly [Value, Value],
  vectorAxis: number | undefined,
  root: Node,
  graph: GraphBuilder,
): Value {
  if (vectorAxis === undefined) return graph.op('MatMul', [left, right], {}, { like: root })
  const column = nodeWithIntegers(graph, 'Unsqueeze', right, { axes: [1] })
  const product = graph.op('MatMul', [left, column], {}, { like: root })
  return nodeWithIntegers(graph, 'Squeeze', product, { axes: [vectorAxis] })
}

/**
 * A: [rows…, k…]·W: [k…, columns…] → [rows…, columns…], for W constant, with several of them: W as a matrix [k, columns], with a Reshape of A
 * where there are several k, and one behind where there are several columns. undefined where that is not what there is.
 */
function weighted(
  [data, weight]: readonly [Value, Value],
  [A, W]: readonly [Indices, Indices],
  output: Indices,
  contracted: Indices,
  root: Node,
  graph: GraphBuilder,
  mayBeEmpty: boolean,
): Value | undefined {
  const { constant } = weight
  const [rows, columns] = [output.filter((index) => A.includes(index)), output.filter((index) => W.includes(index))]
  const hasBatch = rows.some((index) => W.includes(index))
  if (constant === undefined || constant.size === 0 || hasBatch) return undefined
  const isMatrix = contracted.length < 2 && columns.length < 2
  if (isMatrix && rows.length < 2) return undefined
  const sizesOf = (indices: Indices): number[] => indices.map((index) => constant.dims[W.indexOf(index)] ?? 1)
  const count = (indices: Indices): number => sizesOf(indices).reduce((product, size) => product * size, 1)
  const kept = rows.map(() => 0)
  const reshape = (value: Value, shape: readonly number[]): Value => graph.op('Reshape', [value, int64(shape)])
  const left = ordered(data, A, [...rows, ...contracted], graph)
  const right = ordered(weight, W, [...contracted, ...columns], graph)
  const product = matmul(
    [
      contracted.length === 1 ? left : reshape(left, [...kept, count(contracted)]),
      isMatrix ? right : reshape(right, [count(contracted), ...(columns.length === 0 ? [] : [count(columns)])]),
    ],
    columns.length === 0 && mayBeEmpty ? rows.length : undefined,
    root,
    graph,
  )
  const result = columns.length < 2 ? product : reshape(product, [...kept, ...sizesOf(columns)])
  return ordered(result, [...rows, ...columns], output, graph)
}
