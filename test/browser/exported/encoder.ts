import { buildModel, type GraphBuilder, int64, type Model, Tensor, type Value } from 'unplugin-onnx'
import { Weights } from './weights.ts'

const vocabulary = 60
const positions = 64
const width = 32
const heads = 4
const layers = 2

/**
 * A transformer encoder of two layers as torch 2.0 exports BERT at opset 14: normalisations, GELU and attention written out, shapes computed in
 * the graph, an integer mask that becomes an additive one, batch and sequence open.
 */
export const encoder = (): Model =>
  buildModel(
    (g) => {
      const weights = new Weights(11)
      const shape = ['batch', 'sequence']
      const ids = g.input('input_ids', 'int64', shape)
      const mask = g.input('attention_mask', 'int64', shape)
      const types = g.input('token_type_ids', 'int64', shape)
      const bias = additiveMask(g, mask)
      let x = embeddings(g, weights, ids, types)
      for (let layer = 0; layer < layers; layer++) x = encoderLayer(g, weights, x, bias)
      g.output('last_hidden_state', x)
    },
    { opset: 14, irVersion: 7 },
  )

const additiveMask = (g: GraphBuilder, mask: Value): Value => {
  const expanded = g.op('Unsqueeze', [g.op('Unsqueeze', [mask, int64([1])]), int64([2])])
  const kept = g.op('Cast', [expanded], { to: 1 })
  return g.op('Mul', [g.op('Sub', [1, kept]), -10000])
}

const embeddings = (g: GraphBuilder, weights: Weights, ids: Value, types: Value): Value => {
  const words = g.op('Gather', [weights.tensor([vocabulary, width]), ids], { axis: 0 })
  const kinds = g.op('Gather', [weights.tensor([2, width]), types], { axis: 0 })
  const numbers = Tensor.fromNumbers(
    'int64',
    [1, positions],
    Array.from({ length: positions }, (_, index) => index),
  )
  const length = g.op('Unsqueeze', [sizeOf(g, ids, 1), int64([0])])
  const places = g.op('Slice', [numbers, int64([0]), length, int64([1])])
  const placed = g.op('Gather', [weights.tensor([positions, width]), places], { axis: 0 })
  return layerNorm(g, weights, g.op('Add', [g.op('Add', [words, kinds]), placed]))
}

const encoderLayer = (g: GraphBuilder, weights: Weights, x: Value, bias: Value): Value => {
  const attended = linear(g, weights, attention(g, weights, x, bias), width, width)
  const y = layerNorm(g, weights, g.op('Add', [attended, x]))
  const grown = gelu(g, linear(g, weights, y, width, 4 * width))
  return layerNorm(g, weights, g.op('Add', [linear(g, weights, grown, 4 * width, width), y]))
}

const attention = (g: GraphBuilder, weights: Weights, x: Value, bias: Value): Value => {
  const size = width / heads
  const projected = (perm: number[]): Value => {
    const y = linear(g, weights, x, width, width)
    return g.op('Transpose', [g.op('Reshape', [y, shapeFrom(g, y, [heads, size])])], { perm })
  }
  const query = projected([0, 2, 1, 3])
  const key = projected([0, 2, 3, 1])
  const value = projected([0, 2, 1, 3])
  const scores = g.op('Div', [g.op('MatMul', [query, key]), Math.sqrt(size)])
  const shares = g.op('Softmax', [g.op('Add', [scores, bias])], { axis: -1 })
  const moved = g.op('Transpose', [g.op('MatMul', [shares, value])], { perm: [0, 2, 1, 3] })
  return g.op('Reshape', [moved, shapeFrom(g, moved, [width])])
}

const linear = (g: GraphBuilder, weights: Weights, x: Value, from: number, to: number): Value =>
  g.op('Add', [weights.tensor([to], 0.2), g.op('MatMul', [x, weights.tensor([from, to], 1.5 / Math.sqrt(from))])])

const layerNorm = (g: GraphBuilder, weights: Weights, x: Value): Value => {
  const centred = g.op('Sub', [x, g.op('ReduceMean', [x], { axes: [-1] })])
  const variance = g.op('ReduceMean', [g.op('Pow', [centred, 2])], { axes: [-1] })
  const standard = g.op('Div', [centred, g.op('Sqrt', [g.op('Add', [variance, 1e-12])])])
  return g.op('Add', [g.op('Mul', [standard, weights.around(1, [width])]), weights.tensor([width], 0.1)])
}

const gelu = (g: GraphBuilder, x: Value): Value => {
  const error = g.op('Erf', [g.op('Div', [x, Math.SQRT2])])
  return g.op('Mul', [g.op('Mul', [x, g.op('Add', [error, 1])]), 0.5])
}

const sizeOf = (g: GraphBuilder, x: Value, axis: number): Value =>
  g.op('Gather', [g.op('Shape', [x]), int64(axis)], { axis: 0 })

/** [batch, sequence, ...rest]: as `view(x.size(0), x.size(1), ...)` is exported. */
const shapeFrom = (g: GraphBuilder, x: Value, rest: number[]): Value => {
  const sizes = [0, 1].map((axis) => g.op('Unsqueeze', [sizeOf(g, x, axis), int64([0])]))
  return g.op('Concat', [...sizes, ...rest.map((size) => int64([size]))], { axis: 0 })
}
