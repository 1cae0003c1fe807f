import { buildModel, type GraphBuilder, int64, type Model, Tensor, type Value } from 'unplugin-onnx'
import { Weights } from './weights.ts'

export const vocabulary = 48
const longest = 64
const width = 32
const heads = 4
export const keyHeads = 2
export const headSize = width / heads
export const layers = 2

/**
 * A decoder of two layers as Llama is exported at opset 17: RMS normalisations and SwiGLU written out, rotary embeddings by rotated halves with
 * gathered cosines, keys and values of two heads shared by four, a causal mask made of positions, and past keys and values as inputs and outputs.
 */
export const decoder = (): Model =>
  buildModel((g) => {
    const weights = new Weights(12)
    const ids = g.input('input_ids', 'int64', [1, 'sequence'])
    const mask = g.input('attention_mask', 'int64', [1, 'total'])
    const places = g.input('position_ids', 'int64', [1, 'sequence'])
    const pasts = Array.from({ length: layers }, (_, layer) =>
      (['key', 'value'] as const).map((side) =>
        g.input(`past_key_values.${layer}.${side}`, 'float32', [1, keyHeads, 'past', headSize]),
      ),
    )
    const context: Context = { g, weights, bias: causalMask(g, mask, places), rotation: rotation(g, places) }
    let x = g.op('Gather', [weights.tensor([vocabulary, width]), ids], { axis: 0 })
    pasts.forEach(([pastKey, pastValue], layer) => {
      if (!pastKey || !pastValue) return
      const { attended, key, value } = attention(context, rmsNorm(context, x), pastKey, pastValue)
      g.output(`present.${layer}.key`, key)
      g.output(`present.${layer}.value`, value)
      x = g.op('Add', [x, attended])
      x = g.op('Add', [x, swiglu(context, rmsNorm(context, x))])
    })
    g.output('logits', linear(context, rmsNorm(context, x), width, vocabulary))
  })

interface Context {
  g: GraphBuilder
  weights: Weights
  bias: Value
  rotation: { cos: Value; sin: Value }
}

/** 0 where a key is not after the query and not padding, else the lowest float: [1, 1, sequence, total]. */
const causalMask = (g: GraphBuilder, mask: Value, places: Value): Value => {
  const total = g.op('Gather', [g.op('Shape', [mask]), int64(1)], { axis: 0 })
  const keys = g.op('Range', [int64(0), total, int64(1)])
  const allowed = g.op('LessOrEqual', [keys, g.op('Unsqueeze', [places, int64([2])])])
  const kept = g.op('Unsqueeze', [g.op('Cast', [mask], { to: 9 }), int64([1])])
  const both = g.op('Unsqueeze', [g.op('And', [allowed, kept]), int64([1])])
  return g.op('Where', [both, 0, -3.4028234663852886e38])
}

const rotation = (g: GraphBuilder, places: Value): Context['rotation'] => {
  const half = headSize / 2
  const table = (f: (angle: number) => number): Tensor =>
    Tensor.fromNumbers(
      'float32',
      [longest, headSize],
      Array.from({ length: longest * headSize }, (_, index) => {
        const [place, feature] = [Math.floor(index / headSize), index % half]
        return f(place * 10000 ** (-feature / half))
      }),
    )
  const gathered = (f: (angle: number) => number): Value =>
    g.op('Unsqueeze', [g.op('Gather', [table(f), places], { axis: 0 }), int64([1])])
  return { cos: gathered(Math.cos), sin: gathered(Math.sin) }
}

const attention = (context: Context, x: Value, pastKey: Value, pastValue: Value) => {
  const { g, bias } = context
  const projected = (count: number): Value => {
    const y = linear(context, x, width, count * headSize)
    return g.op('Transpose', [g.op('Reshape', [y, int64([0, 0, count, headSize])])], { perm: [0, 2, 1, 3] })
  }
  const query = rotated(context, projected(heads))
  const key = g.op('Concat', [pastKey, rotated(context, projected(keyHeads))], { axis: 2 })
  const value = g.op('Concat', [pastValue, projected(keyHeads)], { axis: 2 })
  const transposed = g.op('Transpose', [repeated(g, key)], { perm: [0, 1, 3, 2] })
  const scores = g.op('Mul', [g.op('MatMul', [query, transposed]), 1 / Math.sqrt(headSize)])
  const shares = g.op('Softmax', [g.op('Add', [scores, bias])], { axis: -1 })
  const moved = g.op('Transpose', [g.op('MatMul', [shares, repeated(g, value)])], { perm: [0, 2, 1, 3] })
  const attended = linear(context, g.op('Reshape', [moved, int64([0, 0, width])]), width, width)
  return { attended, key, value }
}

/** x·cos + rotate_half(x)·sin. */
const rotated = ({ g, rotation: { cos, sin } }: Context, x: Value): Value => {
  const part = (from: number, to: number): Value =>
    g.op('Slice', [x, int64([from]), int64([to]), int64([3]), int64([1])])
  const half = headSize / 2
  const turned = g.op('Concat', [g.op('Neg', [part(half, 2 ** 31)]), part(0, half)], { axis: -1 })
  return g.op('Add', [g.op('Mul', [x, cos]), g.op('Mul', [turned, sin])])
}

/** Each of the heads of keys or values as often as queries share it. */
const repeated = (g: GraphBuilder, x: Value): Value => {
  const total = g.op('Slice', [g.op('Shape', [x]), int64([2]), int64([3])])
  const shape = (counts: number[]): Value =>
    g.op('Concat', [int64([1, ...counts]), total, int64([headSize])], { axis: 0 })
  const expanded = g.op('Expand', [g.op('Unsqueeze', [x, int64([2])]), shape([keyHeads, heads / keyHeads])])
  return g.op('Reshape', [expanded, shape([heads])])
}

const rmsNorm = ({ g, weights }: Context, x: Value): Value => {
  const mean = g.op('ReduceMean', [g.op('Pow', [x, 2])], { axes: [-1] })
  const standard = g.op('Mul', [x, g.op('Div', [1, g.op('Sqrt', [g.op('Add', [mean, 1e-5])])])])
  return g.op('Mul', [weights.around(1, [width]), standard])
}

const swiglu = (context: Context, x: Value): Value => {
  const { g } = context
  const gate = linear(context, x, width, 2 * width)
  const silu = g.op('Mul', [gate, g.op('Sigmoid', [gate])])
  return linear(context, g.op('Mul', [silu, linear(context, x, width, 2 * width)]), 2 * width, width)
}

const linear = ({ g, weights }: Context, x: Value, from: number, to: number): Value =>
  g.op('MatMul', [x, weights.tensor([from, to], 1.5 / Math.sqrt(from))])
