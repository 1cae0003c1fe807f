import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type AttentionSpelling, spellAttention, triangle } from '../../../test/support/spell-attention.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(21)
const only = ['multi-head-attention']
const fused = fuseFunction(only, ['n', 5, 8])
const attention =
  (spelling: AttentionSpelling = {}): Formula =>
  (g, x) =>
    spellAttention(g, random, x, spelling)
const projections = ['MatMul', 'MatMul', 'MatMul']
const expected = [...projections, 'MultiHeadAttention']
const number = (value: number): Tensor => Tensor.fromNumbers('float32', [], [value])
const where =
  (condition: (g: GraphBuilder) => Value | Tensor, fill: number, hides = false) =>
  (g: GraphBuilder, scores: Value) =>
    g.op('Where', hides ? [condition(g), number(fill), scores] : [condition(g), scores, number(fill)])
const causal = (): Tensor => triangle(5)
const moving = (ops: readonly string[]): string[] => ops.filter((op) => op === 'Transpose' || op === 'Reshape')

describe('multi-head-attention', () => {
  it.each<[string, AttentionSpelling]>([
    ['BERT: scores multiplied', {}],
    ['scores divided by √d', { scale: 'scores divided' }],
    ['BART: queries scaled', { scale: 'query' }],
    ['PyTorch: queries and keys scaled', { scale: 'query and key', keyTranspose: 'two' }],
    ['T5: no scale', { scale: 'none' }],
    ['projections without bias', { bias: false }],
    ['one head', { heads: 1 }],
  ])('recognises %s', async (_name, spelling) => {
    for (const variant of variants(11, 13, 17, 20)) {
      const { ops, model } = await fused(attention(spelling), variant)
      expect(ops).toEqual(expected)
      const node = [...model.graph.nodes].at(-1)
      const scale = spelling.scale === 'none' ? 1 : 1 / Math.sqrt(8 / (spelling.heads ?? 2))
      expect(node?.float('scale', 0)).toBeCloseTo(scale, variant.type === 'float16' ? 3 : 6)
      expect(node?.inputs.length).toBe(spelling.bias === false ? 3 : 4)
    }
  })

  it('recognises one bias among three projections', async () => {
    const { ops } = await fused((g, x) => {
      const heads = (value: Value, perm: number[]): Value =>
        g.op('Transpose', [g.op('Reshape', [value, int64([0, 0, 2, 4])])], { perm })
      const project = (): Value => g.op('MatMul', [x, random.tensor([8, 8])])
      const query = heads(g.op('Add', [project(), random.tensor([8])]), [0, 2, 1, 3])
      const weights = g.op('Softmax', [g.op('MatMul', [query, heads(project(), [0, 2, 3, 1])])], { axis: -1 })
      return g.op('Reshape', [
        g.op('Transpose', [g.op('MatMul', [weights, heads(project(), [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] }),
        int64([0, 0, 8]),
      ])
    })
    expect(ops).toEqual(expected)
  })

  it('takes values whose heads have a size of their own, as LeViT and EfficientFormer have them', async () => {
    const heads = (g: GraphBuilder, value: Value, perm: number[]): Value =>
      g.op('Transpose', [g.op('Reshape', [value, int64([0, 0, 2, -1])])], { perm })
    for (const width of [2, 6, 16]) {
      const projected = (bias: boolean) => (g: GraphBuilder, x: Value) => {
        const project = (columns: number): Value => {
          const product = g.op('MatMul', [x, random.tensor([8, columns])])
          return bias ? g.op('Add', [product, random.tensor([columns])]) : product
        }
        const [q, k] = [heads(g, project(8), [0, 2, 1, 3]), heads(g, project(8), [0, 2, 3, 1])]
        const scores = g.op('Add', [g.op('MatMul', [q, k]), random.tensor([1, 2, 5, 5])])
        const attended = g.op('MatMul', [
          g.op('Softmax', [scores], { axis: -1 }),
          heads(g, project(width), [0, 2, 1, 3]),
        ])
        return g.op('Reshape', [g.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), int64([0, 0, width])])
      }
      for (const bias of [true, false]) {
        for (const variant of variants(13, 17, 20)) {
          expect((await fused(projected(bias), variant)).ops).toEqual(expected)
        }
      }
    }
    // As they lie here, keys and values would both come by head, which the runtime takes for one size only.
    const { ops } = await fused((g, x) => {
      const byHead = g.op('Reshape', [x, int64([0, 2, 5, 4])])
      const scores = g.op('MatMul', [byHead, g.op('Transpose', [byHead], { perm: [0, 1, 3, 2] })])
      const narrow = g.op('Slice', [byHead, int64([0]), int64([3]), int64([3])])
      return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), narrow])
    })
    expect(ops).toContain('MultiHeadAttention')
  })

  it.each<[string, AttentionSpelling['mask'], number]>([
    ['a bias for every head', (g, scores) => g.op('Add', [scores, random.tensor([1, 2, 5, 5])]), 0],
    [
      'a causal constant of −∞',
      (g, scores) =>
        g.op('Add', [
          Tensor.fromNumbers(
            'float32',
            [5, 5],
            Array.from({ length: 25 }, (_, i) => (i % 5 > i / 5 ? Number.NEGATIVE_INFINITY : 0)),
          ),
          scores,
        ]),
      0,
    ],
    ['a bias for every key', (g, scores) => g.op('Add', [scores, random.tensor([1, 1, 1, 5])]), 1],
    [
      'two biases',
      (g, scores) => g.op('Add', [g.op('Add', [scores, random.tensor([1, 2, 5, 5])]), random.tensor([1, 1, 5, 5])]),
      1,
    ],
    ['a causal condition', where(causal, Number.NEGATIVE_INFINITY), 1],
    ['a causal condition of the lowest number', where(causal, -3.4028234663852886e38), 1],
    ['a condition that hides', where((g) => g.op('Not', [g.constant(causal())]), Number.NEGATIVE_INFINITY, true), 2],
    [
      'a condition and a bias',
      (g, scores) => g.op('Add', [where(causal, Number.NEGATIVE_INFINITY)(g, scores), random.tensor([5, 5])]),
      2,
    ],
  ])('takes in %s', async (_name, mask, more) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops } = await fused(attention({ mask: mask as NonNullable<typeof mask> }), variant)
      expect(ops.filter((op) => op === 'MultiHeadAttention')).toEqual(['MultiHeadAttention'])
      expect(ops.length).toBe(expected.length + more)
      expect(moving(ops)).toEqual([])
    }
  })

  it('takes in the mask of BERT, made of an input, for open sizes', async () => {
    for (const opset of [12, 17]) {
      const { ops } = await fuseGraph(
        (g) => {
          const x = g.input('x', 'float32', ['batch', 'sequence', 8])
          const mask = g.input('mask', 'float32', ['batch', 'sequence'])
          const axes = opset >= 13 ? [mask, int64([1, 2])] : [mask]
          const wide = g.op('Unsqueeze', axes, opset >= 13 ? {} : { axes: [1, 2] })
          const hidden = g.op('Mul', [g.op('Sub', [1, wide]), -10000])
          const spelling: AttentionSpelling = { mask: (builder, scores) => builder.op('Add', [scores, hidden]) }
          g.output('y', spellAttention(g, random, spellAttention(g, random, x, spelling), spelling))
        },
        { opset, only: [...only, 'common-subexpression'], dimensions: { sequence: 3 } },
      )
      expect(ops.filter((op) => op === 'MultiHeadAttention').length).toBe(2)
      // Two layers stretch the same mask once.
      expect(ops.filter((op) => op === 'Expand').length).toBe(1)
      expect(moving(ops)).toEqual([])
    }
  })

  it('takes keys and values of a past as they are, and leaves them for the next step', async () => {
    const { ops, model } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['batch', 'sequence', 8])
        const pasts = ['key', 'value'].map((side) => g.input(`past.${side}`, 'float32', ['batch', 2, 'past', 4]))
        const past: AttentionSpelling['past'] = (builder, heads, side) =>
          builder.output(`present.${side}`, builder.op('Concat', [pasts[side === 'key' ? 0 : 1], heads], { axis: 2 }))
        g.output('y', spellAttention(g, random, x, { past: past as NonNullable<typeof past> }))
      },
      { only, dimensions: { past: 3, sequence: 2 } },
    )
    expect(ops.at(-1)).toBe('MultiHeadAttention')
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(['present.value', 'present.key', 'y'])
  })

  it('recognises attention over three axes as one head', async () => {
    const { ops } = await fused((g, x) => {
      const scores = g.op('Mul', [g.op('MatMul', [x, g.op('Transpose', [x], { perm: [0, 2, 1] })]), 0.3])
      return g.op('MatMul', [g.op('Softmax', [g.op('Add', [scores, random.tensor([5, 5])])], { axis: 2 }), x])
    })
    expect(ops).toEqual(['MultiHeadAttention'])
  })

  it('recognises cross-attention', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', ['n', 5, 8])
        g.output('y', spellAttention(g, random, x, { memory: g.input('memory', 'float32', ['n', 7, 8]) }))
      },
      { only },
    )
    expect(ops).toEqual(expected)
  })

  it('rearranges once what comes sequence first', async () => {
    const { ops } = await fuseFunction(only, [5, 'n', 8])((g, x) => {
      // As nn.MultiheadAttention does: [S, B, E] to [B·N, S, H], then to [B, N, S, H].
      const heads = (): Value => {
        const merged = g.op(
          'Transpose',
          [g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 8])]), int64([5, -1, 4])])],
          { perm: [1, 0, 2] },
        )
        return g.op('Reshape', [merged, int64([-1, 2, 5, 4])])
      }
      const weights = g.op('Softmax', [
        g.op('Mul', [g.op('MatMul', [heads(), g.op('Transpose', [heads()], { perm: [0, 1, 3, 2] })]), 0.5]),
      ])
      return g.op('Reshape', [
        g.op('Transpose', [g.op('MatMul', [weights, heads()])], { perm: [2, 0, 1, 3] }),
        int64([5, -1, 8]),
      ])
    })
    expect(ops.filter((op) => op !== 'Transpose').sort()).toEqual([...projections, 'MultiHeadAttention'].sort())
    expect(ops.filter((op) => op === 'Transpose').length).toBe(4)
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const half = (dims: number[]): Tensor => random.tensor(dims, 'float16')
        const x = g.input('x', 'float16', [2, 3, 4, 8])
        const scores = g.op('Mul', [g.op('MatMul', [x, half([2, 3, 8, 4])]), Tensor.fromNumbers('float16', [], [0.25])])
        g.output('y', g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), half([2, 3, 4, 8])]))
      },
      { only, tolerance: 5e-3 },
    )
    expect(ops).toContain('MultiHeadAttention')
  })

  it('computes the same for every size, scale, mask and order of keys', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          heads: fc.integer({ min: 1, max: 3 }),
          size: fc.constantFrom(1, 2, 4, 5, 8),
          sequence: fc.integer({ min: 1, max: 5 }),
          batch: fc.integer({ min: 1, max: 3 }),
        }),
        fc.record({
          scale: fc.constantFrom(
            'scores' as const,
            'scores divided' as const,
            'query' as const,
            'query and key' as const,
            'none' as const,
          ),
          keyTranspose: fc.constantFrom('one' as const, 'two' as const),
          bias: fc.boolean(),
        }),
        fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        async ({ heads, size, sequence, batch }, spelling, full) => {
          const shape = [batch, heads, sequence, sequence].map((dim, axis) => (full[axis] ? dim : 1))
          const mask: AttentionSpelling['mask'] = (g, scores) => g.op('Add', [scores, random.tensor(shape)])
          const { ops } = await fuseFunction(only, [batch, sequence, heads * size])((g, x) =>
            spellAttention(g, random, x, {
              heads,
              width: heads * size,
              ...spelling,
              mask: mask as NonNullable<typeof mask>,
            }),
          )
          expect(ops).toContain('MultiHeadAttention')
          expect(moving(ops)).toEqual([])
        },
      ),
      { numRuns: 40 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['masked scores that are not low', /not low enough/, attention({ mask: where(causal, -100) }), {}],
    [
      'a query that may see no key',
      /may be left without a key/,
      attention({
        mask: where((g) => g.op('Cast', [g.op('Cast', [g.constant(causal())], { to: 7 })], { to: 9 }), -1e9),
      }),
      {},
    ],
    ['a query that sees no key', /is left without a key/, attention({ mask: where(causal, -1e9, true) }), {}],
    [
      'a mask of another rank',
      /stretches/,
      (g, x) => {
        const scores = g.op('MatMul', [x, g.op('Transpose', [x], { perm: [0, 2, 1] })])
        return g.op('MatMul', [g.op('Softmax', [g.op('Add', [scores, random.tensor([1, 1, 5, 5])])], { axis: -1 }), x])
      },
      {},
    ],
    [
      'a mask that stretches the batch',
      /stretches/,
      (g, x) => {
        const mask: AttentionSpelling['mask'] = (b, scores) => b.op('Add', [scores, random.tensor([3, 2, 5, 5])])
        return spellAttention(g, random, g.op('Slice', [x, int64([0]), int64([1]), int64([0])]), { mask })
      },
      {},
    ],
    [
      'a mask of an open size',
      /"mask" is \[1, 1, m, 5\], the scores are \[n, 2, 5, 5\]/,
      attention({ mask: (g, scores) => g.op('Add', [scores, g.input('mask', 'float32', [1, 1, 'm', 5])]) }),
      { dimensions: { m: 5 } },
    ],
    [
      'values of no known rank',
      /rank of Q, K or V is not known/,
      (g, x) => {
        const scores = g.op('MatMul', [x, g.op('Transpose', [x], { perm: [0, 2, 1] })])
        return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), g.input('values', 'float32')])
      },
      { feeds: { x: random.tensor([2, 5, 8]), values: random.tensor([2, 5, 8]) } },
    ],
    [
      'queries without a batch',
      /rank of Q, K or V is not known, or another/,
      (g, x) => {
        const scores = g.op('MatMul', [random.tensor([3, 8]), g.op('Transpose', [x], { perm: [0, 2, 1] })])
        return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), x])
      },
      {},
    ],
    [
      'two axes',
      /has rank 2, not 3 or 4/,
      (g, x) => {
        const rows = g.op('Reshape', [x, int64([-1, 8])])
        const scores = g.op('MatMul', [rows, g.op('Transpose', [rows])])
        return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), rows])
      },
      {},
    ],
    [
      'a scale that raises the rank',
      /stretches/,
      (g, x) => {
        const scores = g.op('MatMul', [x, g.op('Transpose', [x], { perm: [0, 2, 1] })])
        const scaled = g.op('Mul', [scores, Tensor.fromNumbers('float32', [1, 1, 1, 1], [0.5])])
        return g.op('MatMul', [g.op('Softmax', [scaled], { axis: -1 }), x])
      },
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = g.op('Cast', [x], { to: 11 })
        const scores = g.op('MatMul', [wide, g.op('Transpose', [wide], { perm: [0, 2, 1] })])
        return g.op('Cast', [g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), wide])], { to: 1 })
      },
      {},
    ],
    ['a softmax over the queries', /not the last/, attention({ axis: 2 }), {}],
    [
      'a negative scale',
      /not above 0/,
      attention({ mask: (g, scores) => g.op('Mul', [scores, -1]), scale: 'none' }),
      {},
    ],
    [
      'a scale that float32 makes 0',
      /its scale is .*e-50, not above 0 and finite/,
      attention({ mask: (g, scores) => g.op('Mul', [g.op('Mul', [scores, 1e-25]), 1e-25]), scale: 'none' }),
      {},
    ],
    [
      'an infinite scale',
      /its scale is Infinity, not above 0 and finite/,
      attention({ mask: (g, scores) => g.op('Mul', [scores, Number.POSITIVE_INFINITY]), scale: 'none' }),
      {},
    ],
    [
      'heads without features',
      /are 1 and 0, not numbers above 0/,
      (g, x) => {
        const none = g.op('Slice', [x, int64([0]), int64([0]), int64([2])])
        const scores = g.op('MatMul', [none, g.op('Transpose', [none], { perm: [0, 2, 1] })])
        return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), none])
      },
      {},
    ],
    [
      'keys shared by heads',
      /differ in batch or heads/,
      (g, x) => {
        const scores = g.op('MatMul', [g.op('Reshape', [x, int64([0, 2, 5, 4])]), random.tensor([1, 1, 4, 5])])
        return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), random.tensor([1, 1, 5, 4])])
      },
      {},
    ],
    [
      'values without features',
      /the size of a value's heads is 0/,
      (g, x) => {
        const scores = g.op('MatMul', [
          g.op('Reshape', [x, int64([0, 2, 5, 4])]),
          g.op('Reshape', [x, int64([0, 2, 4, 5])]),
        ])
        return g.op('MatMul', [
          g.op('Softmax', [scores], { axis: -1 }),
          g.op('Slice', [g.op('Reshape', [x, int64([0, 2, 5, 4])]), int64([0]), int64([0]), int64([3])]),
        ])
      },
      {},
    ],
    [
      'scores with another user',
      /has 2 users/,
      attention({
        mask: (g, scores) => {
          g.output('seen', g.op('Relu', [scores]))
          return scores
        },
      }),
      {},
    ],
    [
      'weights that are an output',
      /is an output/,
      (g, x) => {
        const scores = g.op('MatMul', [x, g.op('Transpose', [x], { perm: [0, 2, 1] })])
        return g.op('MatMul', [g.output('weights', g.op('Softmax', [scores], { axis: -1 })), x])
      },
      {},
    ],
    [
      'an open head size',
      /not numbers/,
      (g, x) => {
        const y = g.op('Transpose', [x], { perm: [2, 1, 0] })
        return g.op('MatMul', [
          g.op('Softmax', [g.op('MatMul', [y, g.op('Transpose', [y], { perm: [0, 2, 1] })])], { axis: -1 }),
          y,
        ])
      },
      {},
    ],
    ['the ONNX standard', /not in the ONNX standard/, attention(), { target: 'onnx' }],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
