import { int64, type Operand, Tensor } from '../../graph/index.ts'
import { microsoft } from '../blocks/microsoft.ts'
import { defineLowering } from './lowering.ts'

/**
 * RotaryEmbedding(x; cos, sin, positions) of the ONNX standard → ONNX Runtime's own. Without positions the cosines are a row for each position
 * of each sequence of the batch: a table, and its rows in order.
 */
export const lowerRotaryEmbedding = defineLowering({
  name: 'lower-rotary-embedding',
  op: 'RotaryEmbedding',
  form: ['com.microsoft::RotaryEmbedding', 'Reshape'],
  lower(root, graph, context) {
    const [x, cos, sin, positions] = root.inputs
    const shape = x && context.shape(x)
    if (x === undefined || cos === undefined || sin === undefined || shape === undefined)
      return `the rank of "${x}" is not known`
    const heads = shape.length === 4 ? shape[1] : root.int('num_heads', 0)
    if (typeof heads !== 'number') return `its number of heads is not known`
    const attributes = {
      interleaved: root.int('interleaved', 0),
      num_heads: heads,
      rotary_embedding_dim: root.int('rotary_embedding_dim', 0),
    }
    if (positions !== undefined)
      return microsoft(graph, root, 'RotaryEmbedding', [x, positions, cos, sin], attributes).output
    const [batch, rows, half] = context.shape(cos) ?? []
    if (typeof half !== 'number') return `the width of "${cos}" is not known`
    const order = batch === 1 ? int64([0]) : inOrder(batch, rows)
    if (order === undefined) return `its positions are ${batch} times ${rows}, not numbers`
    const tables: Operand[] = [cos, sin].map((table) => graph.op('Reshape', [table, int64([-1, half])]))
    return microsoft(graph, root, 'RotaryEmbedding', [x, order, ...tables], attributes).output
  },
})

/** 0, 1, 2, … in that many rows and columns. */
const inOrder = (rows: unknown, columns: unknown): Tensor | undefined =>
  typeof rows === 'number' && typeof columns === 'number'
    ? Tensor.fromNumbers(
        'int64',
        [rows, columns],
        Array.from({ length: rows * columns }, (_, index) => index),
      )
    : undefined
