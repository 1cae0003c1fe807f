import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, elementCount, type GraphBuilder, int64, type Node, Tensor } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const filled = (dims: readonly number[], value = 0.5): Tensor =>
  Tensor.fromNumbers('float32', dims, new Float64Array(elementCount(dims)).fill(value))

const outputAll = (g: GraphBuilder, node: Node): void => {
  for (const [index, output] of node.outputs.entries())
    if (output) g.output(`${node.op}_${g.graph.outputs.length}_${index}`, output)
}

describe('normalisations', () => {
  it('keep the shape, and give statistics', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 3, 'h', 4])
      const channels = filled([3])
      outputAll(g, g.node('BatchNormalization', [x, channels, channels, channels, channels]))
      outputAll(g, g.node('InstanceNormalization', [x, channels, channels]))
      outputAll(g, g.node('LRN', [x], { size: 3 }))
      outputAll(g, g.node('LayerNormalization', [x, filled([4])], {}, { outputs: 3 }))
      outputAll(g, g.node('LayerNormalization', [x, filled([3, 1, 4])], { axis: 1 }, { outputs: 2 }))
      outputAll(g, g.node('SimplifiedLayerNormalization', [x, filled([4])]))
    })
    await expectShapes(model, { n: 2, h: 5 })
  })

  it('of newer opsets too', async () => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 4, 'h'])
        outputAll(g, g.node('GroupNormalization', [x, filled([4]), filled([4])], { num_groups: 2 }))
        outputAll(g, g.node('RMSNormalization', [g.op('Transpose', [x], { perm: [0, 2, 1] }), filled([4])]))
      },
      { opset: 23 },
    )
    await expectShapes(model, { n: 2, h: 5 })
  })
})

describe('recurrent networks', () => {
  it.each([
    ['RNN', 1],
    ['GRU', 3],
    ['LSTM', 4],
  ])('%s gives every state and the last', async (op, gates) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['s', 'b', 3])
        const outputs = op === 'LSTM' ? 3 : 2
        for (const direction of ['forward', 'reverse', 'bidirectional']) {
          const count = direction === 'bidirectional' ? 2 : 1
          const weights = [filled([count, gates * 5, 3]), filled([count, gates * 5, 5])]
          outputAll(g, g.node(op, [x, ...weights], { hidden_size: 5, direction }, { outputs }))
        }
      },
      { opset: 14 },
    )
    await expectShapes(model, { s: 4, b: 2 })
  })

  it('take the hidden size from the weights, and the batch first', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['b', 's', 3])
      outputAll(g, g.node('LSTM', [x, filled([1, 20, 3]), filled([1, 20, 5])], { layout: 1 }, { outputs: 3 }))
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => `${shapes.shapeOf(output)}`)).toEqual(['b,s,1,5', 'b,1,5', 'b,1,5'])
  })
})

describe('Resize and Upsample', () => {
  it.each([10, 11, 13, 18, 19])('scale by factors in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 2, 'h', 7])
        const scale = (factors: number[]): void => {
          const scales = Tensor.fromNumbers('float32', [factors.length], factors)
          g.output(
            `y${factors}`,
            g.op('Resize', opset < 11 ? [x, scales] : [x, opset < 13 ? g.constant([]) : undefined, scales]),
          )
        }
        scale([1, 1, 2, 2])
        scale([1, 1, 0.5, 0.3])
        scale([1, 1, 1.5, 2.7])
        if (opset >= 18) {
          const twice = Tensor.fromNumbers('float32', [1], [2])
          g.output('axes', g.op('Resize', [x, undefined, twice], { axes: [-1] }))
        }
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 5 })
  })

  it('goes to sizes that are computed', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 2, 'h', 'w'])
      const like = g.input('like', 'float32', ['n', 3, 'p', 'q'])
      const sizes = g.op('Concat', [g.op('Shape', [x], { end: 2 }), g.op('Shape', [like], { start: 2 })], { axis: 0 })
      const empty = Tensor.fromNumbers('float32', [0], [])
      g.output('y', g.op('Resize', [x, undefined, empty, sizes]))
    })
    const shapes = await expectShapes(model, { n: 2, h: 5, w: 6, p: 9, q: 4 })
    const [y] = model.graph.outputs
    expect(`${y && shapes.shapeOf(y)}`).toBe('n,2,p,q')
  })

  it.each(['not_larger', 'not_smaller'])('keeps the aspect ratio, %s', async (policy) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', [1, 1, 5, 8])
        g.output(
          'y',
          g.op('Resize', [x, undefined, undefined, int64([11, 9])], { axes: [2, 3], keep_aspect_ratio_policy: policy }),
        )
      },
      { opset: 18 },
    )
    await expectShapes(model)
  })

  it('scales sizes in halves by name', () => {
    const model = buildModel((g) => {
      const scales = Tensor.fromNumbers('float32', [2], [0.5, 1.25])
      g.output('y', g.op('Resize', [g.input('x', 'float32', ['h', 'w']), undefined, scales]))
    })
    const [y] = model.graph.outputs
    expect(`${y && inferShapes(model).shapeOf(y)}`).toBe('floor(h/2),floor(w/4)+w')
  })

  it.each([7, 9])('Upsample of opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 2, 'h', 3])
        const factors = [1, 1, 2, 3]
        const y = opset < 9 ? g.op('Upsample', [x], { scales: factors }) : g.op('Upsample', [x, g.constant(factors)])
        g.output('y', y)
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 5 })
  })
})

describe('quantisation', () => {
  it.each([10, 13, 19, 21])('in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 3])
        const scale = Tensor.fromNumbers('float32', [], [0.1])
        const quantised = g.op('QuantizeLinear', [x, scale])
        const signed = g.op('QuantizeLinear', [x, scale, Tensor.fromNumbers('int8', [], [0])])
        g.output('unsigned', quantised)
        g.output('signed', signed)
        g.output('back', g.op('DequantizeLinear', [signed, scale, Tensor.fromNumbers('int8', [], [0])]))
        if (opset >= 21) g.output('asked', g.op('QuantizeLinear', [x, scale], { output_dtype: 3 }))
        if (opset >= 11) outputAll(g, g.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 }))
      },
      { opset },
    )
    await expectShapes(model, { n: 2 })
  })
})

describe('attention of the standard', () => {
  it('in three and in four dims, with past', async () => {
    const model = buildModel(
      (g) => {
        const packed = g.input('packed', 'float32', ['b', 's', 8])
        const key = g.input('key', 'float32', ['b', 't', 4])
        outputAll(g, g.node('Attention', [packed, key, key], { q_num_heads: 4, kv_num_heads: 2 }))
        const heads = g.input('heads', 'float32', ['b', 2, 's', 4])
        const past = g.input('past', 'float32', ['b', 2, 'p', 4])
        outputAll(g, g.node('Attention', [heads, heads, heads, undefined, past, past], {}, { outputs: 3 }))
      },
      { opset: 23 },
    )
    const shapes = await expectShapes(model, { b: 2, s: 3, t: 5, p: 6 })
    expect(model.graph.outputs.map((output) => `${shapes.shapeOf(output)}`)).toEqual([
      'b,s,8',
      'b,2,s,4',
      'b,2,p+s,4',
      'b,2,p+s,4',
    ])
  })
})
