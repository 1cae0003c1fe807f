import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { repeatedTable, spellRotation } from '../../../test/support/spell-rotary.ts'
import { type ElementType, type GraphBuilder, int64, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(61)
const only = ['multi-head-attention', 'grouped-attention', 'rotary-embedding', 'dead-node']

interface Spelling {
  groups?: number
  members?: number
  size?: number
  /** How keys and values are repeated. */
  by?: 'Expand' | 'Tile' | 'Concat' | 'before the heads come first'
  /** Added to the scores, in this shape; `infinite` hides every key from the first query. */
  mask?: readonly number[]
  hidden?: boolean
  /** Biases of the projections. */
  bias?: boolean
  rotary?: number
  past?: boolean
  /** A projection of what was attended to. */
  output?: boolean
  type?: ElementType
  /** Times for keys, if another number than for values. */
  again?: number
  /** What becomes of the queries as they are projected. */
  queries?: (g: GraphBuilder, projected: Value) => Value
}

/** Attention over x of [B, S, width], of which several heads share keys and values, as decoders are exported. */
function attention(g: GraphBuilder, x: Value, spelling: Spelling = {}): Value {
  const { groups = 2, members = 3, size = 4, by = 'Expand', type = 'float32', output = true } = spelling
  const count = groups * members
  const width = 8
  const moved = (value: Value, perm: number[]): Value => g.op('Transpose', [value], { perm })
  const project = (heads: number): Value => {
    const projected = g.op('MatMul', [x, random.tensor([width, heads * size], type, [-0.5, 0.5])])
    return spelling.bias ? g.op('Add', [projected, random.tensor([heads * size], type)]) : projected
  }
  const split = (value: Value, heads: number): Value => g.op('Reshape', [value, int64([0, 0, heads, size])])
  const rotated = (value: Value): Value => {
    const rows = (): Tensor => repeatedTable(random, spelling.rotary ?? 0, size)
    return spelling.rotary ? spellRotation(g, value, size, [rows(), rows()], 'halves', 'Slice', 4) : value
  }
  const times = (value: Value, axis: number): Value => {
    const along = (one: number): number[] => [0, 1, 2, 3, 4].map((at) => (at === axis ? one : 1))
    if (by === 'Concat') return g.op('Concat', new Array<Value>(members).fill(value), { axis })
    return g.op(by === 'Tile' ? 'Tile' : 'Expand', [value, int64(along(members))])
  }
  const repeated = (value: Value): Value => {
    if (by === 'before the heads come first') {
      const wide = times(g.op('Unsqueeze', [moved(value, [0, 2, 1, 3]), int64([3])]), 3)
      return moved(g.op('Reshape', [wide, int64([0, 0, count, size])]), [0, 2, 1, 3])
    }
    const wide = times(g.op('Unsqueeze', [value, int64([2])]), 2)
    // A Reshape of [B, K, G, T, H]: 0 would take the third axis for the positions.
    const shape = spelling.past ? [1, count, -1, size] : [-1, count, x.shape?.[1] as number, size]
    return g.op('Reshape', [wide, int64(shape)])
  }
  const before = (name: string): Value => g.input(`past.${name}`, type, [1, groups, 'past', size])
  const kept = (value: Value, name: string): Value =>
    spelling.past ? g.output(`present.${name}`, g.op('Concat', [before(name), value], { axis: 2 })) : value
  const own = project(count)
  const queries = rotated(moved(split(spelling.queries?.(g, own) ?? own, count), [0, 2, 1, 3]))
  const keys = kept(rotated(moved(split(project(groups), groups), [0, 2, 1, 3])), 'key')
  const values = kept(moved(split(project(groups), groups), [0, 2, 1, 3]), 'value')
  let scores = g.op('MatMul', [queries, moved(repeated(keys), [0, 1, 3, 2])])
  scores = g.op('Mul', [scores, g.constant([size ** -0.5], { type, dims: [] })])
  if (spelling.mask) {
    const mask = random.tensor(spelling.mask, type)
    const numbers = mask
      .toNumbers()
      .map((number, index) => (spelling.hidden && index < (spelling.mask?.at(-1) ?? 0) ? -3e38 : number))
    scores = g.op('Add', [scores, g.constant(numbers, { type, dims: spelling.mask })])
  }
  const attended = g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), repeated(values)])
  const merged = g.op('Reshape', [moved(attended, [0, 2, 1, 3]), int64([0, 0, count * size])])
  return output ? g.op('MatMul', [merged, random.tensor([count * size, 5], type, [-0.5, 0.5])]) : merged
}

const fused = fuseFunction(only, ['n', 3, 8])
const spelled =
  (spelling: Spelling = {}): Formula =>
  (g, x) =>
    attention(g, x, spelling)
const count = (ops: readonly string[], op: string): number => ops.filter((one) => one === op).length

describe('grouped-attention', () => {
  it.each<[string, Spelling]>([
    ['transformers: Unsqueeze, Expand, Reshape', {}],
    ['Tile', { by: 'Tile' }],
    ['Concat with itself', { by: 'Concat' }],
    ['Meta: before the heads come first', { by: 'before the heads come first' }],
    ['a mask for every query', { mask: [1, 1, 3, 3] }],
    ['a query that sees no key', { mask: [1, 1, 3, 3], hidden: true }],
    ['one group', { groups: 1 }],
    ['rotated heads', { rotary: 3 }],
  ])('recognises %s, and moves no data', async (_name, spelling) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops, model } = await fused(spelled(spelling), variant)
      const attending = [...model.graph.nodes].find(({ op }) => op === 'MultiHeadAttention')
      expect(attending?.int('num_heads', 0)).toBe(spelling.groups ?? 2)
      expect(count(ops, 'Transpose')).toBe(spelling.mask ? 1 : 0)
      expect(count(ops, 'Expand')).toBe(spelling.mask ? 1 : 0)
      expect(count(ops, 'MatMul')).toBe(4)
    }
  })

  it('orders the bias of the projection too', async () => {
    const { ops } = await fused(spelled({ bias: true }))
    expect(count(ops, 'Transpose')).toBe(0)
  })

  it('takes keys and values of a past as they are', async () => {
    const { ops, model } = await fuseGraph(
      (g) => g.output('y', attention(g, g.input('x', 'float32', [1, 1, 8]), { past: true, rotary: 1 })),
      {
        only: [...only, 'reshape-chain', 'no-op-view'],
        dimensions: { past: 4 },
      },
    )
    expect(count(ops, 'Expand')).toBe(0)
    const attending = [...model.graph.nodes].find(({ op }) => op === 'MultiHeadAttention')
    expect(attending?.inputs[1]?.name).toBe('present.key')
    expect(attending?.inputs[2]?.name).toBe('present.value')
  })

  it('orders the weight of the queries before it is joined with those of keys and values', async () => {
    const { ops } = await fuseFunction(
      [...only, 'shared-input-matmul', 'reshape-chain'],
      ['n', 3, 8],
    )((g, x) => attention(g, x, { rotary: 3 }))
    expect(ops.sort()).toEqual(
      [
        'MatMul',
        'Split',
        'RotaryEmbedding',
        'RotaryEmbedding',
        'Reshape',
        'MultiHeadAttention',
        'Reshape',
        'MatMul',
      ].sort(),
    )
  })

  it('moves queries where their weights cannot be ordered', async () => {
    for (const spelling of [
      { queries: (g: GraphBuilder, projected: Value) => g.op('Relu', [projected]) },
      { queries: (g: GraphBuilder, projected: Value) => g.output('seen', projected) },
    ]) {
      expect(count((await fused(spelled(spelling))).ops, 'Transpose')).toBe(1)
    }
    expect(count((await fused(spelled({ output: false }))).ops, 'Transpose')).toBe(1)
    const { ops } = await fused((g, x) => {
      const weight = g.constant(random.tensor([8, 24]))
      const queries = (builder: GraphBuilder): Value => builder.op('MatMul', [x, weight])
      g.output('other', g.op('MatMul', [x, weight]))
      return attention(g, x, { queries })
    })
    expect(count(ops, 'Transpose')).toBe(1)
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', attention(g, g.input('x', 'float16', [2, 3, 8]), { type: 'float16' })),
      { only, tolerance: 5e-3 },
    )
    expect(count(ops, 'Expand')).toBe(0)
  })

  it('computes the same for every size, mask and spelling', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ batch: size, sequence: size, groups: size, members: fc.integer({ min: 2, max: 4 }), half: size }),
        fc.record({
          by: fc.constantFrom(
            'Expand' as const,
            'Tile' as const,
            'Concat' as const,
            'before the heads come first' as const,
          ),
          bias: fc.boolean(),
          output: fc.boolean(),
          rotary: fc.boolean(),
          hidden: fc.boolean(),
        }),
        fc.constantFrom('none', 'each query', 'each batch'),
        async ({ batch, sequence, groups, members, half }, { rotary, ...spelling }, masked) => {
          const mask = masked === 'none' ? {} : { mask: [masked === 'each batch' ? batch : 1, 1, sequence, sequence] }
          const { ops, model } = await fuseFunction(only, [batch, sequence, 8])((g, x) =>
            attention(g, x, {
              groups,
              members,
              size: half * 2,
              ...spelling,
              ...(rotary ? { rotary: sequence } : {}),
              ...mask,
            }),
          )
          const attending = [...model.graph.nodes].find(({ op }) => op === 'MultiHeadAttention')
          expect(attending?.int('num_heads', 0)).toBe(groups)
          expect(count(ops, 'Tile')).toBe(0)
        },
      ),
      { numRuns: 40 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['a mask for every head', /not the same for all heads/, spelled({ mask: [1, 6, 3, 3] }), {}],
    [
      'keys and values that are repeated otherwise',
      /not repeated alike/,
      (g, x) => {
        const wide = (groups: number, members: number): Value => {
          const heads = g.op(
            'Transpose',
            [g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, groups * 4])]), int64([0, 0, groups, 4])])],
            { perm: [0, 2, 1, 3] },
          )
          const once = g.op('Unsqueeze', [heads, int64([2])])
          return g.op('Reshape', [g.op('Expand', [once, int64([1, 1, members, 1, 1])]), int64([-1, 6, 3, 4])])
        }
        const queries = g.op('MatMul', [x, random.tensor([8, 24])])
        g.graph.model.importOpset('com.microsoft', 1)
        return g.op(
          'MultiHeadAttention',
          [queries, wide(2, 3), wide(3, 2)],
          { num_heads: 6 },
          { domain: 'com.microsoft' },
        )
      },
      {},
    ],
    [
      'queries of an open width',
      /width of its queries is not known/,
      (g, x) => {
        const heads = g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 8])]), int64([0, 2, 3, 4])])
        const once = g.op('Unsqueeze', [heads, int64([2])])
        const wide = g.op('Reshape', [g.op('Expand', [once, int64([1, 1, 3, 1, 1])]), int64([-1, 6, 3, 4])])
        g.graph.model.importOpset('com.microsoft', 1)
        const inputs = [g.input('queries', 'float32', ['n', 3, 'w']), wide, wide]
        return g.op('MultiHeadAttention', inputs, { num_heads: 6 }, { domain: 'com.microsoft' })
      },
      { dimensions: { w: 24 } },
    ],
    [
      'a bias of keys that are repeated',
      /have a bias once they are repeated/,
      (g, x) => {
        const heads = g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 8])]), int64([0, 3, 2, 1, 4])])
        const wide = g.op('Reshape', [g.op('Expand', [heads, int64([1, 1, 1, 3, 1])]), int64([0, 3, 24])])
        const queries = g.op('MatMul', [x, random.tensor([8, 24])])
        g.graph.model.importOpset('com.microsoft', 1)
        const inputs = [queries, wide, wide, random.tensor([72])]
        return g.op('MultiHeadAttention', inputs, { num_heads: 6 }, { domain: 'com.microsoft' })
      },
      {},
    ],
    [
      'attention that hides later keys by itself',
      /a mask of its own/,
      (g, x) => {
        const heads = g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 8])]), int64([0, 2, 3, 4])])
        const once = g.op('Unsqueeze', [heads, int64([2])])
        const wide = g.op('Reshape', [g.op('Expand', [once, int64([1, 1, 3, 1, 1])]), int64([-1, 6, 3, 4])])
        const queries = g.op('MatMul', [x, random.tensor([8, 24])])
        g.graph.model.importOpset('com.microsoft', 1)
        const attributes = { num_heads: 6, unidirectional: 1 }
        return g.op('MultiHeadAttention', [queries, wide, wide], attributes, { domain: 'com.microsoft' })
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).not.toHaveProperty('grouped-attention')
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves heads alone that are repeated as a whole: h₀, h₁, h₀, h₁', async () => {
    const { report } = await fused((g, x) => {
      const heads = g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 8])]), int64([0, 2, 3, 4])])
      const once = g.op('Unsqueeze', [heads, int64([1])])
      const wide = g.op('Reshape', [g.op('Expand', [once, int64([1, 3, 1, 1, 1])]), int64([-1, 6, 3, 4])])
      const scores = g.op('MatMul', [
        g.op('Transpose', [g.op('Reshape', [g.op('MatMul', [x, random.tensor([8, 24])]), int64([0, 0, 6, 4])])], {
          perm: [0, 2, 1, 3],
        }),
        g.op('Transpose', [wide], { perm: [0, 1, 3, 2] }),
      ])
      return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), wide])
    })
    expect(report.fusions).not.toHaveProperty('grouped-attention')
    expect(report.fusions).toHaveProperty('multi-head-attention')
  })
})
