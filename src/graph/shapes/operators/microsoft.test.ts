import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import {
  type AttributeValue,
  buildModel,
  elementCount,
  type GraphBuilder,
  int64,
  type Model,
  type Operand,
  Tensor,
} from '../../index.ts'
import { inferShapes } from '../infer.ts'

const filled = (dims: readonly number[]): Tensor =>
  Tensor.fromNumbers('float32', dims, new Float64Array(elementCount(dims)).fill(0.5))

const build = (make: (g: GraphBuilder) => void): Model => buildModel(make, { opsets: { 'com.microsoft': 1 } })

const add = (
  g: GraphBuilder,
  op: string,
  inputs: readonly Operand[],
  attributes: Record<string, AttributeValue> = {},
  outputs = 1,
): void => {
  const node = g.node(op, inputs, attributes, { domain: 'com.microsoft', outputs })
  for (const [index, output] of node.outputs.entries())
    if (output) g.output(`${op}_${g.graph.outputs.length}_${index}`, output)
}

describe('operators of com.microsoft', () => {
  it('activate and normalise', async () => {
    const model = build((g) => {
      const x = g.input('x', 'float32', ['b', 's', 8])
      for (const op of ['Gelu', 'FastGelu', 'QuickGelu']) add(g, op, [x])
      add(g, 'BiasGelu', [x, filled([8])])
      add(g, 'SkipLayerNormalization', [x, x, filled([8]), filled([8])])
      add(g, 'SkipSimplifiedLayerNormalization', [x, x, filled([8])])
      g.output('simplified', g.op('SimplifiedLayerNormalization', [x, filled([8])]))
    })
    await expectShapes(model, { b: 2, s: 3 })
  })

  it('give the sum that was normalised', async () => {
    const model = build((g) => {
      const x = g.input('x', 'float32', ['b', 's', 8])
      const options = { domain: 'com.microsoft', outputs: ['y', undefined, undefined, 'sum'] }
      for (const output of g.node('SkipLayerNormalization', [x, x, filled([8]), filled([8])], {}, options).outputs) {
        if (output) g.output(output.name, output)
      }
    })
    await expectShapes(model, { b: 2, s: 3 })
  })

  it('multiply', async () => {
    const model = build((g) => {
      const x = g.input('x', 'float32', ['b', 's', 32])
      const y = g.input('y', 'float32', ['b', 't', 32])
      add(g, 'FusedMatMul', [x, y], { transB: 1, alpha: 0.5 })
      add(g, 'FusedMatMul', [x, y], { transA: 0, transB: 1 })
      const packed = Tensor.fromNumbers('uint8', [16, 1, 16], new Float64Array(256))
      add(g, 'MatMulNBits', [x, packed, filled([16])], { K: 32, N: 16, bits: 4, block_size: 32 })
      add(g, 'FusedConv', [g.op('Unsqueeze', [x, int64([1])]), filled([3, 1, 3, 3])], {
        activation: 'Relu',
        strides: [2, 2],
      })
    })
    await expectShapes(model, { b: 2, s: 5, t: 6 })
  })

  it('gather from a quantised table', async () => {
    const model = build((g) => {
      const table = Tensor.fromNumbers('uint8', [10, 16], new Float64Array(160))
      const indices = g.input('i', 'int64', ['b', 's'])
      const options = { gather_axis: 0, quantize_axis: 1, block_size: 32, bits: 4 }
      add(g, 'GatherBlockQuantized', [table, indices, filled([10, 1])], options)
    })
    await expectShapes(model, { b: 2, s: 3 })
  })

  it('attend, with separate and packed inputs, and with past', async () => {
    const model = build((g) => {
      const x = g.input('x', 'float32', ['b', 's', 8])
      const key = g.input('key', 'float32', ['b', 't', 8])
      const past = g.input('past', 'float32', ['b', 2, 'p', 4])
      add(g, 'MultiHeadAttention', [x, key, key], { num_heads: 2 })
      add(g, 'MultiHeadAttention', [x, x, x, undefined, undefined, undefined, past, past], { num_heads: 2 }, 3)
      add(g, 'Attention', [x, filled([8, 24]), filled([24])], { num_heads: 2 })
      add(
        g,
        'RotaryEmbedding',
        [x, g.op('ConstantOfShape', [int64([1])], { value: int64([0]) }), filled([9, 4]), filled([9, 4])],
        { num_heads: 1 },
      )
    })
    const shapes = await expectShapes(model, { b: 2, s: 3, t: 5, p: 6 })
    expect(model.graph.outputs.slice(0, 3).map((output) => `${shapes.shapeOf(output)}`)).toEqual([
      'b,s,8',
      'b,s,8',
      'b,2,p+s,4',
    ])
  })

  it('attend in groups', async () => {
    const model = build((g) => {
      const query = g.input('query', 'float32', ['b', 3, 16])
      const key = g.input('key', 'float32', ['b', 3, 8])
      const past = g.input('past', 'float32', ['b', 1, 0, 8])
      const lengths = g.op('Expand', [Tensor.fromNumbers('int32', [1], [2]), g.op('Shape', [query], { end: 1 })])
      const total = Tensor.fromNumbers('int32', [], [3])
      add(g, 'GroupQueryAttention', [query, key, key, past, past, lengths, total], { num_heads: 2, kv_num_heads: 1 }, 3)
    })
    await expectShapes(
      model,
      { b: 2 },
      { feeds: { past: Tensor.fromNumbers('float32', [2, 1, 0, 8], []) }, open: true },
    )
  })

  it('that are not known are what the model says, without its names', () => {
    const model = build((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      const types = [{ kind: 'tensor', elementType: 'float16', shape: ['n', 7] } as const]
      g.output('y', g.op('Unheard', [x], {}, { domain: 'my.domain', types }))
    })
    const [y] = model.graph.outputs
    const facts = y && inferShapes(model).factsOf(y)
    expect(`${facts?.elementType}[${facts?.shape}]`).toMatch(/^float16\[\?\d+,7\]$/)
  })
})
