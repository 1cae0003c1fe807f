import { type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'
import type { Pattern, Weights } from './pattern.ts'

const [width, heads, size, length] = [16, 4, 4, 6]

const linear = (g: GraphBuilder, x: Value, w: Weights): Value =>
  g.op('Add', [g.op('MatMul', [x, w.matrix(width, width)]), w.normal(width)])

const input = (g: GraphBuilder): Value => g.input('x', 'float32', ['batch', length, width])

const split = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  g.op('Transpose', [g.op('Reshape', [x, int64([0, -1, heads, size])])], { perm: [...perm] })

/** As BERT is exported: three projections, heads apart, softmax(QKᵀ/√d + mask)·V, heads together, the projection of the output. */
const selfAttention = (g: GraphBuilder, x: Value, w: Weights, mask?: Value): Value => {
  const q = split(g, linear(g, x, w), [0, 2, 1, 3])
  const k = split(g, linear(g, x, w), [0, 2, 3, 1])
  const v = split(g, linear(g, x, w), [0, 2, 1, 3])
  const scaled = g.op('Div', [g.op('MatMul', [q, k]), Math.sqrt(size)])
  const scores = mask === undefined ? scaled : g.op('Add', [scaled, mask])
  const attended = g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), v])
  const merged = g.op('Reshape', [g.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), int64([0, -1, width])])
  return linear(g, merged, w)
}

const layerNorm = (g: GraphBuilder, x: Value, w: Weights): Value =>
  g.op('LayerNormalization', [x, w.positive(width), w.normal(width)], { axis: -1, epsilon: 1e-12 })

/** [batch, length] of 0 and 1 → 0 where a token is, −10000 where none is, for scores of four axes. */
const bertMask = (g: GraphBuilder): Value => {
  const mask = g.input('mask', 'int64', ['batch', length])
  const wide = g.op('Unsqueeze', [g.op('Unsqueeze', [mask, int64([1])]), int64([2])])
  return g.op('Mul', [g.op('Sub', [1, g.op('Cast', [wide], { to: 1 })]), -10_000])
}

const attention = ['com.microsoft::Attention']

/** Attention, and what stands in it. */
export const attentions: readonly Pattern[] = [
  {
    name: 'mha_selfattn_nomask',
    build: (g, w) => g.output('y', selfAttention(g, input(g), w)),
    expected: [...attention, 'MatMul', 'Add'],
  },
  {
    name: 'mha_selfattn_nomask_in_block',
    build: (g, w) => {
      const x = layerNorm(g, input(g), w)
      g.output('y', layerNorm(g, g.op('Add', [selfAttention(g, x, w), x]), w))
    },
    expected: ['LayerNormalization', ...attention, 'MatMul', 'com.microsoft::SkipLayerNormalization'],
  },
  {
    name: 'mha_selfattn_bertmask_in_block',
    build: (g, w) => {
      const mask = bertMask(g)
      const x = layerNorm(g, input(g), w)
      g.output('y', layerNorm(g, g.op('Add', [selfAttention(g, x, w, mask), x]), w))
    },
    // What the mask is made of is no part of the attention, and done once for all layers.
    expected: [
      ...['Unsqueeze', 'Cast', 'Sub', 'Mul', 'Expand'],
      ...['LayerNormalization', ...attention, 'MatMul', 'com.microsoft::SkipLayerNormalization'],
    ],
  },
  {
    // F.scaled_dot_product_attention as the exporter writes it: the root of the scale on Q and on K.
    name: 'sdpa_core_only',
    build: (g) => {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => g.input(name, 'float32', ['batch', heads, length, size]))
      const root = size ** -0.25
      const transposed = k && g.op('Transpose', [k], { perm: [0, 1, 3, 2] })
      const scores = g.op('MatMul', [g.op('Mul', [q, root]), g.op('Mul', [transposed, root])])
      g.output('y', g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), v]))
    },
    expected: ['Transpose', 'Reshape', 'com.microsoft::MultiHeadAttention', 'Reshape', 'Transpose'],
  },
  {
    // Llama: x · cos + rotate_half(x) · sin.
    name: 'rope_halfrotate',
    build: (g, w) => {
      const x = g.input('x', 'float32', ['batch', heads, length, size])
      const angles = w.normal(length, size / 2).toNumbers()
      const table = (f: (angle: number) => number): Tensor => {
        const rows = Array.from({ length }, (_, row) => {
          const half = [...angles.slice((row * size) / 2, ((row + 1) * size) / 2)].map(f)
          return [...half, ...half]
        })
        return Tensor.fromNumbers('float32', [1, 1, length, size], rows.flat())
      }
      const part = (start: number, end: number): Value =>
        g.op('Slice', [x, int64([start]), int64([end]), int64([3]), int64([1])])
      const rotated = g.op('Concat', [g.op('Neg', [part(size / 2, 2 ** 53)]), part(0, size / 2)], { axis: -1 })
      g.output('y', g.op('Add', [g.op('Mul', [x, table(Math.cos)]), g.op('Mul', [rotated, table(Math.sin)])]))
    },
    expected: ['com.microsoft::RotaryEmbedding'],
  },
  {
    // GPT-J: neighbours turn together, in the first half of each head; the heads behind the positions.
    name: 'rope_interleaved_partial',
    build: (g, w) => {
      const x = g.input('x', 'float32', ['batch', length, heads, size])
      const part = (value: Value, start: number, end: number, step = 1): Value =>
        g.op('Slice', [value, int64([start]), int64([end]), int64([3]), int64([step])])
      const first = part(x, 0, size / 2)
      const rows = (): Value => {
        const once = g.op('Unsqueeze', [w.normal(length, 1, size / 4), int64([3])])
        return g.op('Reshape', [g.op('Concat', [once, once], { axis: 3 }), int64([1, length, 1, size / 2])])
      }
      const odd = g.op('Neg', [part(first, 1, 2 ** 53, 2)])
      const stacked = [odd, part(first, 0, 2 ** 53, 2)].map((value) => g.op('Unsqueeze', [value, int64([4])]))
      const rotated = g.op('Reshape', [g.op('Concat', stacked, { axis: 4 }), int64([0, 0, 0, size / 2])])
      const turned = g.op('Add', [g.op('Mul', [first, rows()]), g.op('Mul', [rotated, rows()])])
      g.output('y', g.op('Concat', [turned, part(x, size / 2, 2 ** 53)], { axis: -1 }))
    },
    expected: ['Reshape', 'com.microsoft::RotaryEmbedding', 'Reshape'],
  },
  {
    // Llama: two heads share keys and values, which are repeated for each; a mask for each batch, on top of the causal one.
    name: 'gqa_repeat_kv',
    build: (g, w) => {
      const x = input(g)
      const shared = heads / 2
      const project = (count: number): Value => {
        const heads = g.op('Reshape', [g.op('MatMul', [x, w.matrix(width, count * size)]), int64([0, 0, count, size])])
        return g.op('Transpose', [heads], { perm: [0, 2, 1, 3] })
      }
      const repeated = (value: Value): Value => {
        const once = g.op('Unsqueeze', [value, int64([2])])
        return g.op('Reshape', [g.op('Expand', [once, int64([1, 1, 2, 1, 1])]), int64([-1, heads, length, size])])
      }
      const [q, k, v] = [project(heads), project(shared), project(shared)]
      const keys = g.op('Transpose', [repeated(k)], { perm: [0, 1, 3, 2] })
      const scaled = g.op('Mul', [g.op('MatMul', [q, keys]), size ** -0.5])
      const scores = g.op('Add', [scaled, g.input('mask', 'float32', ['batch', 1, length, length])])
      const attended = g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), repeated(v)])
      const merged = g.op('Reshape', [g.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), int64([0, 0, width])])
      g.output('y', g.op('MatMul', [merged, w.matrix(width, width)]))
    },
    // What the mask is made of is done once for all layers.
    expected: [
      ...['Transpose', 'Expand', 'Reshape'],
      ...['MatMul', 'Split', 'Reshape', 'com.microsoft::MultiHeadAttention', 'Reshape', 'MatMul'],
    ],
    reason:
      'GroupQueryAttention would do it in one node, but hides later keys itself: where a mask leaves a query no key at all, as padding on the left does, it weighs others than the model. Heads that share keys attend as further queries of one head, which is the same for every mask',
  },
  {
    name: 'softmax_add_mask',
    build: (g) => {
      const scores = g.input('scores', 'float32', ['batch', heads, length, length])
      const mask = g.input('mask', 'float32', ['batch', 1, 1, length])
      g.output('y', g.op('Softmax', [g.op('Add', [scores, mask])], { axis: -1 }))
    },
    expected: ['Add', 'Softmax'],
    reason: 'BiasSoftmax has no WebGPU kernel',
  },
]
