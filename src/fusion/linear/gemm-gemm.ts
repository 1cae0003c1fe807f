import type { Node, Tensor } from '../../graph/index.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import {
  asLinearOperator,
  biasOf,
  type LinearOperator,
  rebuild,
  whySharedWeight,
  withItsAdd,
} from './linear-operator.ts'
import { largestWork, roundTo } from './linear-weights.ts'

/**
 * (x·V + a)·W + b → x·(V·W) + (a·W + b), for constant V and W, as Gemm or MatMul each, where the product has no more weights than the two.
 */
export const gemmGemm = defineFusion({
  name: 'gemm-gemm',
  roots: ['Gemm', 'MatMul'],
  rewrite(root, graph, context) {
    const [middle] = root.inputs
    const before = middle?.producer
    if (middle === undefined || before === undefined || root.int('transA', 0) !== 0) return undefined
    const first = asLinearOperator(before, context)
    if (typeof first !== 'object' || !isMatrixProduct(first.node)) return undefined
    const second = withItsAdd(root, context)
    if (typeof second !== 'object') return undefined
    const shared = whyShared(middle) ?? whySharedWeight(first.node) ?? whySharedWeight(root)
    if (shared !== undefined) return shared
    const [V, W] = [matrixOf(first), matrixOf(second)]
    if (V.rows * W.columns > first.weight.size + second.weight.size) {
      return `the product has ${V.rows * W.columns} weights, the two have ${first.weight.size + second.weight.size}`
    }
    if (V.rows * V.columns * W.columns > largestWork) return 'the product takes too long to compute'
    const [inner, outer] = [biasOf(first), biasOf(second)]
    if (typeof inner === 'string') return inner
    if (typeof outer === 'string') return outer
    const bias = multiply({ rows: 1, columns: V.columns, numbers: inner }, W).map(
      (value, n) => value + (outer[n] as number),
    )
    const weight = roundTo(second.weight, [V.rows, W.columns], multiply(V, W))
    if (typeof weight === 'string') return weight
    const plain = { ...second, data: first.data, rank: first.rank ?? second.rank, adder: second.adder ?? first.adder }
    const result = rebuild(plain, weight, bias, graph, { attributes: [] })
    if (typeof result === 'string') return result
    return [{ from: second.output, to: result }]
  },
})

/** A product whose rows are those of its data. */
const isMatrixProduct = (node: Node): boolean =>
  node.op === 'MatMul' || (node.op === 'Gemm' && node.int('transA', 0) === 0)

interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly numbers: Float64Array
}

/** The weights as what the data is multiplied by: α and transB applied. */
function matrixOf({ node, weight }: LinearOperator): Matrix {
  const oriented: Tensor = node.int('transB', 0) === 0 ? weight : (weight.transpose([1, 0]) ?? weight)
  const alpha = node.op === 'Gemm' ? node.float('alpha', 1) : 1
  const numbers = oriented.toNumbers()
  const [rows = 0, columns = 0] = oriented.dims
  return { rows, columns, numbers: alpha === 1 ? numbers : numbers.map((value) => value * alpha) }
}

function multiply(a: Matrix, b: Matrix): Float64Array {
  const result = new Float64Array(a.rows * b.columns)
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const factor = a.numbers[i * a.columns + k] as number
      for (let j = 0; j < b.columns; j++) {
        const at = i * b.columns + j
        result[at] = (result[at] as number) + factor * (b.numbers[k * b.columns + j] as number)
      }
    }
  }
  return result
}
