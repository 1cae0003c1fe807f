import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/run-model.ts'
import { expectFloats, floatsOf, weightOnlyOf, wholeNumbers } from '../../../test/support/weight-only.ts'
import { type GraphBuilder, int64, type Node, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(5)
const float = (dims: readonly number[], numbers: readonly number[]): Tensor =>
  Tensor.fromNumbers('float32', dims, numbers)
const toFloat = { to: 1 }

type Spelling = (g: GraphBuilder, product: Value, scale: Value, weightScale: Tensor) => Value

/** 'quantiser' is how onnxruntime's writes it. */
const spellings: Readonly<Record<string, Spelling>> = {
  quantiser: (g, product, scale, weightScale) => g.op('Mul', [product, g.op('Mul', [scale, weightScale])]),
  'one after the other': (g, product, scale, weightScale) => g.op('Mul', [weightScale, g.op('Mul', [product, scale])]),
  'the weight first': (g, product, scale, weightScale) => g.op('Mul', [g.op('Mul', [weightScale, product]), scale]),
}

interface Drawn {
  spelling: string
  weight: Tensor
  scale: Tensor
  zero: Tensor | undefined
  op?: 'MatMulInteger' | 'ConvInteger'
  attributes?: Record<string, number | number[]>
}

/** What is multiplied, dynamically quantised, and as often as asked. */
function quantized(g: GraphBuilder, dims: number[], products: readonly Drawn[]): void {
  const dynamic = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', dims)], {}, { outputs: 3 })
  const [numbers, scale, itsZero] = dynamic.outputs
  if (scale === undefined) return
  for (const [
    index,
    { spelling, weight, scale: weightScale, zero, op = 'MatMulInteger', attributes },
  ] of products.entries()) {
    const product = g.op('Cast', [g.op(op, [numbers, weight, itsZero, zero], attributes)], toFloat)
    const spelled = spellings[spelling]?.(g, product, scale, weightScale)
    if (spelled !== undefined) g.output(`y${index}`, g.op('Neg', [spelled]))
  }
}

function floats(g: GraphBuilder, dims: number[], products: readonly Drawn[]): void {
  const x = g.input('x', 'float32', dims)
  for (const [index, { weight, scale, zero, op, attributes }] of products.entries()) {
    const isConv = op === 'ConvInteger'
    const W = floatsOf(weight, scale, zero, isConv ? 0 : weight.dims.length - 1)
    g.output(`y${index}`, g.op('Neg', [g.op(isConv ? 'Conv' : 'MatMul', [x, W], attributes)]))
  }
}

const matrix = (type: 'int8' | 'uint8' = 'int8'): Drawn => ({
  spelling: 'quantiser',
  weight: wholeNumbers(random, type, [8, 5]),
  scale: float([], [0.01]),
  zero: Tensor.fromNumbers(type, [], [3]),
})
const byColumn = {
  scale: float([5], [0.01, 0.02, 0.03, 0.004, 0.05]),
  zero: Tensor.fromNumbers('int8', [5], [0, 1, 2, 3, -4]),
}

describe('integer-product', () => {
  for (const spelling of Object.keys(spellings)) {
    it(`makes floats of a product that is scaled as "${spelling}"`, async () => {
      for (const more of [
        {},
        byColumn,
        { ...byColumn, zero: undefined },
        { scale: byColumn.scale },
        { zero: byColumn.zero },
      ]) {
        const products = [{ ...matrix(), spelling, ...more }]
        const result = await expectFloats({
          quantized: (g) => quantized(g, [2, 3, 8], products),
          floats: (g) => floats(g, [2, 3, 8], products),
        })
        expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', 'Neg'])
        expect(result?.removed).toBe(3)
      }
    })
  }

  it('does so for each product of one quantised activation', async () => {
    const products = [matrix(), matrix('uint8'), { ...matrix(), ...byColumn }]
    for (const opset of [11, 13, 17, 21]) {
      const result = await expectFloats({
        quantized: (g) => quantized(g, [3, 8], products),
        floats: (g) => floats(g, [3, 8], products),
        opset,
        irVersion: 10,
      })
      expect(result?.pairs).toBe(3)
      expect(result?.ops).not.toContain('DynamicQuantizeLinear')
    }
  })

  const kernel = (type: 'int8' | 'uint8', groups = 1): Drawn => ({
    ...matrix(type),
    weight: wholeNumbers(random, type, [4, 2 / groups, 3, 3]),
    op: 'ConvInteger',
    attributes: { pads: [1, 1, 1, 1], group: groups },
  })

  it('makes floats of convolutions', async () => {
    const products: Drawn[] = [
      kernel('uint8'),
      kernel('int8', 2),
      { ...kernel('int8'), zero: undefined },
      { ...kernel('uint8'), scale: float([4, 1, 1], [0.01, 0.02, 0.03, 0.04]) },
      { ...kernel('uint8'), scale: float([1, 4, 1, 1], [0.01, 0.02, 0.03, 0.04]) },
    ]
    const result = await expectFloats({
      quantized: (g) => quantized(g, [1, 2, 5, 5], products),
      floats: (g) =>
        floats(
          g,
          [1, 2, 5, 5],
          products.map((one) => ({ ...one, scale: one.scale.reshape(one.scale.size === 1 ? [] : [4]) })),
        ),
    })
    expect(result?.ops.filter((op) => op === 'Conv')).toHaveLength(5)
  })

  it('leaves what follows: a bias, and factors of its own', async () => {
    const { weight, scale, zero } = matrix()
    const [bias, factor] = [random.tensor([5]), random.tensor([5])]
    const result = await expectFloats({
      quantized: (g) => {
        const { outputs } = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', [3, 8])], {}, { outputs: 3 })
        const product = g.op('Cast', [g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])], toFloat)
        const scaled = g.op('Mul', [product, g.op('Mul', [outputs[1], scale])])
        g.output('y', g.op('Mul', [g.op('Add', [scaled, bias]), factor]))
        g.output('z', g.op('Mul', [scaled, g.input('gate', 'float32', [3, 5])]))
      },
      floats: (g) => {
        const product = g.op('MatMul', [g.input('x', 'float32', [3, 8]), floatsOf(weight, scale, zero)])
        g.output('y', g.op('Mul', [g.op('Add', [product, bias]), factor]))
        g.output('z', g.op('Mul', [product, g.input('gate', 'float32', [3, 5])]))
      },
    })
    expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', 'Add', 'Mul', 'Mul'])
  })

  it('makes floats in branches, of weights that are outside', async () => {
    const { weight, scale, zero } = matrix()
    const branches = (g: GraphBuilder, product: (inner: GraphBuilder) => Value): void => {
      const condition = g.op('Greater', [g.op('ReduceMax', [g.input('x', 'float32', [3, 8])], { keepdims: 0 }), 0])
      const branch = (op: string) => g.subgraph((inner) => inner.output(op, inner.op(op, [product(inner)])))
      g.output('y', g.op('If', [condition], { then_branch: branch('Neg'), else_branch: branch('Abs') }))
    }
    const result = await expectFloats({
      quantized: (g) => {
        const [outer, outerScale] = [g.constant(weight), g.constant(scale)]
        branches(g, (inner) => {
          const x = g.graph.inputs[0]
          const { outputs } = inner.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 })
          const product = inner.op('Cast', [inner.op('MatMulInteger', [outputs[0], outer, outputs[2], zero])], toFloat)
          return inner.op('Mul', [product, inner.op('Mul', [outputs[1], outerScale])])
        })
      },
      floats: (g) => branches(g, (inner) => inner.op('MatMul', [g.graph.inputs[0], floatsOf(weight, scale, zero)])),
    })
    expect(result?.pairs).toBe(2)
    expect([...(result?.model.graph.walk() ?? [])].map(({ op }) => op)).not.toContain('MatMulInteger')
  })

  it('makes floats of two factors that are computed', async () => {
    for (const more of [[], [float([], [2])]]) {
      const result = await expectFloats({
        quantized: (g) => {
          const [a, b] = [g.input('a', 'float32', [3, 8]), g.input('b', 'float32', [8, 4])].map(
            (x) => g.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 }).outputs,
          )
          const product = g.op('MatMulInteger', [a?.[0], b?.[0], a?.[2], b?.[2]])
          const scaled = g.op('Mul', [g.op('Cast', [product], toFloat), g.op('Mul', [a?.[1], b?.[1]])])
          g.output('y', g.op('Neg', [more.reduce((y, factor) => g.op('Mul', [y, factor]), scaled)]))
        },
        floats: (g) => {
          const product = g.op('MatMul', [g.input('a', 'float32', [3, 8]), g.input('b', 'float32', [8, 4])])
          g.output('y', g.op('Neg', [more.reduce((y, factor) => g.op('Mul', [y, factor]), product)]))
        },
      })
      expect(result?.pairs).toBe(2)
      expect(result?.ops).toEqual(['MatMul', ...more.map(() => 'Mul'), 'Neg'])
    }
  })

  it('makes floats of what constants quantise, in opset 10 too', async () => {
    const { weight, zero } = matrix()
    for (const opset of [10, 17]) {
      const result = await expectFloats({
        quantized: (g) => {
          const itsZero = Tensor.fromNumbers('uint8', [], [128])
          const numbers = g.op('QuantizeLinear', [g.input('x', 'float32', [3, 8]), 0.05, itsZero])
          const product = g.op('Cast', [g.op('MatMulInteger', [numbers, weight, itsZero, zero])], toFloat)
          g.output('y', g.op('Neg', [g.op('Mul', [product, 0.05 * 0.01])]))
        },
        floats: (g) => {
          const W = floatsOf(weight, float([], [0.01]), zero)
          g.output('y', g.op('Neg', [g.op('MatMul', [g.input('x', 'float32', [3, 8]), W])]))
        },
        opset,
      })
      expect(result?.ops).toEqual(['DequantizeLinear', 'MatMul', 'Neg'])
    }
  })

  it('keeps a result of float16', async () => {
    const { weight, scale, zero } = matrix()
    const result = await expectFloats({
      quantized: (g) => {
        const x = g.op('Cast', [g.input('x', 'float16', [3, 8])], toFloat)
        const { outputs } = g.node('DynamicQuantizeLinear', [x], {}, { outputs: 3 })
        const product = g.op('Cast', [g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])], { to: 10 })
        const half = g.constant([0.01], { type: 'float16', dims: [] })
        const scaled = g.op('Mul', [g.op('Mul', [product, g.op('Cast', [outputs[1]], { to: 10 })]), half])
        g.output('y', g.op('Neg', [scaled]))
      },
      floats: (g) => {
        const x = g.op('Cast', [g.input('x', 'float16', [3, 8])], toFloat)
        const half = Tensor.fromNumbers('float16', [], [0.01]).scalar ?? 0
        const product = g.op('MatMul', [x, floatsOf(weight, float([], [half]), zero)])
        g.output('y', g.op('Neg', [g.op('Cast', [product], { to: 10 })]))
      },
      feeds: { x: random.tensor([3, 8], 'float16', [0, 0.2]) },
    })
    expect(result?.ops).toEqual(['Cast', 'DequantizeLinear', 'MatMul', 'Cast', 'Neg'])
    expect(scale.scalar).toBeCloseTo(0.01)
  })

  type Parts = { outputs: Node['outputs']; weight: Value; zero: Value | undefined }
  const around = (build: (g: GraphBuilder, parts: Parts) => void, opset = 17) =>
    weightOnlyOf(
      (g) => {
        const { outputs } = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', [3, 8])], {}, { outputs: 3 })
        const { weight, zero } = matrix()
        build(g, { outputs, weight: g.constant(weight), zero: zero && g.constant(zero) })
      },
      { opset },
    )
  const scaled = (
    g: GraphBuilder,
    product: Value,
    scale: Value | undefined,
    weightScale: Tensor | number = 0.01,
  ): void => {
    g.output('y', g.op('Neg', [g.op('Mul', [g.op('Cast', [product], toFloat), g.op('Mul', [scale, weightScale])])]))
  }

  it.each<[string, RegExp, (g: GraphBuilder, parts: Parts) => void]>([
    [
      'a zero point of its own',
      /read with another zero point than it was made with/,
      (g, { outputs, weight, zero }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], weight, undefined, zero]), outputs[1]),
    ],
    [
      'numbers that a caller gives',
      /not quantised from floats by one scale/,
      (g, { weight, outputs }) => scaled(g, g.op('MatMulInteger', [g.input('a', 'uint8', [3, 8]), weight]), outputs[1]),
    ],
    [
      'a weight that a caller gives',
      /not quantised from floats by one scale/,
      (g, { outputs }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], g.input('w', 'int8', [8, 5]), outputs[2]]), outputs[1]),
    ],
    [
      'a zero point that a caller gives',
      /"z" is a graph input/,
      (g, { outputs, weight }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], weight, outputs[2], g.input('z', 'int8', [])]), outputs[1]),
    ],
    [
      'whole numbers that are the result',
      /not made floats by a Cast/,
      (g, { outputs, weight, zero }) =>
        g.output('y', g.op('Identity', [g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])])),
    ],
    [
      'whole numbers that are used twice',
      /has 2 users/,
      (g, { outputs, weight, zero }) => {
        const product = g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])
        scaled(g, product, outputs[1])
        g.output('z', g.op('Abs', [product]))
      },
    ],
    [
      'a product without its scale',
      /not multiplied by the scales of its factors/,
      (g, { outputs, weight, zero }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero]), g.input('s', 'float32', [])),
    ],
    [
      'a product that ends before its scale',
      /output of its graph/,
      (g, { outputs, weight, zero }) =>
        g.output('y', g.op('Cast', [g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])], toFloat)),
    ],
    [
      'scales for rows',
      /not multiplied by the scales of its factors/,
      (g, { outputs, weight, zero }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero]), outputs[1], float([3, 1], [1, 2, 3])),
    ],
    [
      'scales that raise the rank',
      /not multiplied by the scales of its factors/,
      (g, { outputs, weight, zero }) =>
        scaled(g, g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero]), outputs[1], float([1, 1, 1], [1])),
    ],
    [
      'zero points for each matrix',
      /scales of \[\] or zero points are not for channels/,
      (g, { outputs }) => {
        const weights = wholeNumbers(random, 'int8', [2, 8, 5])
        const zeros = Tensor.fromNumbers('int8', [2, 1, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 1])
        scaled(g, g.op('MatMulInteger', [outputs[0], weights, outputs[2], zeros]), outputs[1])
      },
    ],
    [
      'what nothing uses',
      /" has no user/,
      (g, { outputs, weight, zero }) => {
        g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero])
        g.output('y', g.op('Neg', [outputs[1]]))
      },
    ],
  ])('leaves %s alone', (_name, reason, build) => {
    const { model, pairs, nearMisses } = around(build)
    expect(pairs).toBe(0)
    expect([...model.graph.nodes].map(({ op }) => op)).toContain('MatMulInteger')
    expect(nearMisses.map((miss) => miss.reason)).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves scales for columns where the opset cannot be raised', () => {
    const { pairs, nearMisses } = around((g, { outputs, weight, zero }) => {
      scaled(g, g.op('MatMulInteger', [outputs[0], weight, outputs[2], zero]), outputs[1], byColumn.scale)
      // What this means in a newer opset depends on the rank.
      g.output('s', g.op('Softmax', [g.op('Reshape', [g.input('r'), int64([2, 3, 4])])], { axis: 0 }))
    }, 11)
    expect(pairs).toBe(0)
    expect(nearMisses.map(({ reason }) => reason)).toContain('before opset 13 there are no scales for channels')
  })

  it('computes the floats for products as they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          spelling: fc.constantFrom(...Object.keys(spellings)),
          type: fc.constantFrom('int8' as const, 'uint8' as const),
          sizes: fc.tuple(
            fc.integer({ min: 1, max: 6 }),
            fc.integer({ min: 1, max: 40 }),
            fc.integer({ min: 1, max: 7 }),
          ),
          isConv: fc.boolean(),
          scales: fc.boolean(),
          zeros: fc.constantFrom('none', 'one', 'columns'),
          opset: fc.integer({ min: 11, max: 21 }),
        }),
        async ({ spelling, type, sizes: [M, K, N], isConv, scales, zeros, opset }) => {
          // onnxruntime has no ConvInteger with a zero point for each channel, nor one of int8 with a zero point.
          const zeroType = isConv && zeros === 'columns' ? 'one' : zeros
          const positive = (count: number) => random.tensor([count], 'float32', [0.001, 0.02])
          const product: Drawn = {
            spelling,
            weight: wholeNumbers(random, type, isConv ? [N, K, 1, 1] : [K, N]),
            scale: scales ? (isConv ? positive(N).reshape([N, 1, 1]) : positive(N)) : positive(1).reshape([]),
            zero: zeroType === 'none' ? undefined : wholeNumbers(random, type, zeroType === 'columns' ? [N] : []),
            op: isConv ? 'ConvInteger' : 'MatMulInteger',
          }
          const dims = isConv ? [1, K, 2, M] : [M, K]
          const flat = { ...product, scale: product.scale.reshape(scales ? [N] : []) }
          const result = await expectFloats({
            quantized: (g) => quantized(g, dims, [product]),
            floats: (g) => floats(g, dims, [flat]),
            opset,
            irVersion: 10,
            rounding: 0.2,
          })
          expect(result?.ops).toEqual(['DequantizeLinear', isConv ? 'Conv' : 'MatMul', 'Neg'])
        },
      ),
      { numRuns: 40 },
    )
  })
})
