import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type ElementType, type GraphBuilder, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(71)
const only = ['matmul-nbits']
const fused = fuseFunction(only, ['n', 3, 64])

interface Weight {
  type?: 'int4' | 'uint4' | 'int8' | 'uint8'
  rows?: number
  columns?: number
  /** Rows of a block; 0: a scale for each column, or one. */
  block?: number
  zero?: boolean
  /** Default: [rows / block, columns] or [columns]. */
  scales?: number[]
  axis?: number
}

interface GemmParts {
  scale: Tensor
  zero?: Tensor | undefined
  bias?: Tensor | undefined
  /** Of the dequantisation. */
  dq?: Record<string, number>
  attributes?: Record<string, number>
}

/** Random elements of a type, packed if it has 4 bits. */
function integers(type: ElementType, dims: readonly number[]): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1)
  const bytes = Uint8Array.from({ length: type.endsWith('4') ? Math.ceil(size / 2) : size }, () =>
    Math.floor(random.uniform(0, 256)),
  )
  return Tensor.fromBytes(type, dims, bytes)
}

/** x times a dequantised weight. */
function product(g: GraphBuilder, x: Value, weight: Weight = {}): Value {
  const { type = 'int4', rows = 64, columns = 6, block = 0, zero = false } = weight
  const dims = weight.scales ?? (block > 0 ? [rows / block, columns] : [columns])
  const axis = weight.axis ?? (block > 0 ? 0 : 1)
  const operands = [integers(type, [rows, columns]), random.tensor(dims, 'float32', [0.01, 0.1])]
  const attributes = block > 0 ? { axis, block_size: block } : { axis }
  return g.op('MatMul', [
    x,
    g.op('DequantizeLinear', zero ? [...operands, integers(type, dims)] : operands, attributes),
  ])
}

const options: Options = { opset: 21, irVersion: 10 }

describe('matmul-nbits', () => {
  it.each<[string, Weight]>([
    ['blocks of int4', { block: 32 }],
    ['blocks of uint4 with zero points', { type: 'uint4', block: 16, zero: true }],
    ['an odd number of blocks with zero points', { type: 'uint4', block: 64, zero: true }],
    ['columns of int8', { type: 'int8' }],
    ['columns of uint8 with zero points', { type: 'uint8', zero: true }],
    ['one scale for all', { type: 'int8', scales: [] }],
    ['one scale of one element', { type: 'int8', scales: [1], axis: 0 }],
  ])('recognises %s', async (_name, weight) => {
    for (const variant of variants(21, 23)) {
      // What is summed differs in its last digit, where dequantised weights are rounded to float16 first.
      const tolerance = variant.type === 'float16' ? 1e-2 : 1e-5
      const { ops, bytes } = await fused((g, x) => product(g, x, weight), { ...options, ...variant, tolerance })
      expect(ops).toEqual(['MatMulNBits'])
      expect(bytes.after).toBeLessThan(bytes.before + 600)
    }
  })

  it('recognises int8 from the opset on that has an axis', async () => {
    for (const opset of [13, 19])
      expect((await fused((g, x) => product(g, x, { type: 'int8' }), { opset })).ops).toEqual(['MatMulNBits'])
  })

  const gemm = (
    g: GraphBuilder,
    x: Value,
    weight: Tensor,
    { scale, zero, bias, dq = {}, attributes }: GemmParts,
  ): Value => {
    const operands = zero ? [weight, scale, zero] : [weight, scale]
    return g.op('Gemm', [x, g.op('DequantizeLinear', operands, dq), ...(bias ? [bias] : [])], attributes)
  }
  const columns = random.tensor([6], 'float32', [0.01, 0.1])
  it.each<[string, Tensor, GemmParts, readonly string[]]>([
    ['Gemm', integers('int8', [64, 6]), { scale: columns, dq: { axis: 1 } }, ['MatMulNBits']],
    [
      'Gemm of a transposed weight, with a bias',
      integers('uint8', [6, 64]),
      {
        scale: columns,
        zero: integers('uint8', [6]),
        bias: random.tensor([6]),
        dq: { axis: 0 },
        attributes: { transB: 1 },
      },
      ['MatMulNBits', 'Add'],
    ],
    [
      'Gemm of a transposed weight in blocks, with a bias',
      integers('int8', [6, 64]),
      {
        scale: random.tensor([6, 4], 'float32', [0.01, 0.1]),
        zero: integers('int8', [6, 4]),
        bias: random.tensor([1, 6]),
        dq: { axis: 1, block_size: 16 },
        attributes: { transB: 1 },
      },
      ['MatMulNBits', 'Add'],
    ],
  ])('recognises %s', async (_name, weight, parts, expected) => {
    const { ops } = await fuseFunction(only, ['n', 64])((g, x) => gemm(g, x, weight, parts), options)
    expect(ops).toEqual(expected)
  })

  it('leaves Gemm that transposes or scales, and a transposed weight of 4 bits', async () => {
    const reasonsOf = async (weight: Tensor, parts: Partial<GemmParts>, dims = [64, 64]) =>
      (await fuseFunction(only, dims)((g, x) => gemm(g, x, weight, { scale: columns, ...parts }), options)).reasons
    const [weight, dq] = [integers('int8', [64, 6]), { axis: 1 }]
    for (const attributes of [{ transA: 1 }, { alpha: 0.5 }, { beta: 0.5 }])
      expect(await reasonsOf(weight, { dq, attributes })).toEqual(['it transposes or scales what it multiplies'])
    expect(await reasonsOf(integers('int4', [6, 64]), { dq: { axis: 0 }, attributes: { transB: 1 } })).toEqual([
      'its weight of 4 bits is transposed',
    ])
  })

  it('computes the same for Gemm as it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('int8' as const, 'uint8' as const),
        fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 5 })),
        fc.record({ transposed: fc.boolean(), each: fc.boolean(), zero: fc.boolean(), bias: fc.boolean() }),
        async (type, [M, blocks, N], { transposed, each, zero, bias }) => {
          const K = blocks * 16
          const count = each ? [N] : []
          const parts = {
            scale: random.tensor(count, 'float32', [0.01, 0.1]),
            zero: zero ? integers(type, count) : undefined,
            bias: bias ? random.tensor([N]) : undefined,
            dq: { axis: transposed ? 0 : 1 },
            attributes: { transB: transposed ? 1 : 0 },
          }
          const weight = integers(type, transposed ? [N, K] : [K, N])
          const { ops } = await fuseFunction(only, [M, K])((g, x) => gemm(g, x, weight, parts), {
            ...options,
            tolerance: 1e-4,
          })
          expect(ops[0]).toBe('MatMulNBits')
        },
      ),
      { numRuns: 30 },
    )
  })

  it('computes the same for every size, type and block', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          type: fc.constantFrom('int4' as const, 'uint4' as const, 'int8' as const, 'uint8' as const),
          block: fc.constantFrom(0, 16, 32, 64),
          columns: fc.integer({ min: 1, max: 5 }),
          zero: fc.boolean(),
        }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
        async (weight, blocks, lead) => {
          const rows = 64 * blocks
          const { ops } = await fuseFunction(only, [...lead, rows])((g, x) => product(g, x, { ...weight, rows }), {
            ...options,
            tolerance: 1e-4,
          })
          expect(ops).toEqual(['MatMulNBits'])
        },
      ),
      { numRuns: 30 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'rows that no block size divides',
      /no block size/,
      (g, x) => product(g, g.op('MatMul', [x, random.tensor([64, 24])]), { type: 'int8', rows: 24 }),
      options,
    ],
    ['a block size without kernel', /no block size/, (g, x) => product(g, x, { block: 8 }), options],
    [
      'scales for rows of a square weight',
      /not for blocks or columns/,
      (g, x) => product(g, x, { type: 'int8', columns: 64, scales: [64], axis: 0 }),
      options,
    ],
    [
      'a last block that is not full',
      /not for blocks or columns/,
      (g, x) => product(g, g.op('MatMul', [x, random.tensor([64, 48])]), { rows: 48, block: 32, scales: [2, 6] }),
      options,
    ],
    [
      'scales for rows',
      /not for blocks or columns/,
      (g, x) => product(g, x, { type: 'int8', scales: [64], axis: 0 }),
      options,
    ],
    [
      'blocks of columns',
      /not for blocks or columns/,
      (g, x) => product(g, x, { columns: 32, block: 16, axis: 1, scales: [64, 2] }),
      options,
    ],
    [
      'a weight with another user',
      /has 2 users/,
      (g, x) => {
        const weight = g.op(
          'DequantizeLinear',
          [integers('int8', [64, 64]), random.tensor([64], 'float32', [0.01, 0.1])],
          { axis: 1 },
        )
        return g.op('MatMul', [g.op('MatMul', [x, weight]), weight])
      },
      options,
    ],
    [
      'a weight of 32 bits',
      /no such operator/,
      (g, x) =>
        g.op('MatMul', [
          x,
          g.op('DequantizeLinear', [Tensor.fromNumbers('int32', [64, 2], new Array(128).fill(3)), 0.5]),
        ]),
      options,
    ],
    [
      'the ONNX standard',
      /not in the ONNX standard/,
      (g, x) => product(g, x, { block: 32 }),
      { ...options, target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, formula, more) => {
    const { report, reasons } = await fused(formula, more)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it.each<[string, number[], ElementType, string]>([
    ['a weight with batches', [2, 64, 8], 'float32', 'its weight has batches'],
    ['scales of another type', [64, 8], 'bfloat16', 'its scales are bfloat16'],
  ])('leaves %s alone', (_name, dims, type, reason) => {
    const reasons = reasonsForLeaving(
      'matmul-nbits',
      (g) => {
        const weight = g.op('DequantizeLinear', [
          Tensor.fromNumbers('int8', dims, new Array(dims.reduce((a, b) => a * b)).fill(3)),
          Tensor.fromNumbers(type, [], [0.5]),
        ])
        g.output('y', g.op('MatMul', [g.input('x', type, [4, 64]), weight]))
      },
      { opset: 21 },
    )
    expect(reasons).toEqual([reason])
  })
})
