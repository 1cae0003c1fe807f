import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { type Formula, fuseFunction, variants } from '../../../test/support/fuse-function.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { float, type GraphBuilder, int64, type Operand, type Tensor, type Value } from '../../graph/index.ts'

const random = new Random(62)
const only = ['packed-attention']
const options = { opsets: { 'com.microsoft': 1 } }
const fused = fuseFunction(only, ['n', 5, 6])
const domain = { domain: 'com.microsoft' }

const packed = (g: GraphBuilder, x: Operand, weight: Tensor = random.tensor([6, 24])): Value =>
  g.op('MatMul', [x, weight])
const split = (g: GraphBuilder, value: Value, axis = -1, sizes = [8, 8, 8]): Value[] =>
  g
    .node('Split', [value, int64(sizes)], { axis }, { outputs: sizes.length })
    .outputs.filter((output) => output !== undefined)
const attend = (g: GraphBuilder, parts: readonly Operand[], more: readonly Operand[] = [], attributes = {}): Value =>
  g.op('MultiHeadAttention', [...parts, ...more], { num_heads: 2, ...attributes }, domain)

describe('packed-attention', () => {
  it.each<[string, Formula]>([
    ['a projection without bias', (g, x) => attend(g, split(g, packed(g, x)))],
    ['one with a bias', (g, x) => attend(g, split(g, packed(g, x)), [random.tensor([24])])],
    ['an axis counted from the front', (g, x) => attend(g, split(g, packed(g, x), 2))],
    [
      'one number for all queries and heads',
      (g, x) => attend(g, split(g, packed(g, x)), [undefined, undefined, random.tensor([1, 1, 5, 5])]),
    ],
    [
      'a bias and a mask for every head',
      (g, x) => attend(g, split(g, packed(g, x)), [random.tensor([24]), undefined, random.tensor([1, 2, 5, 5])]),
    ],
    ['a scale', (g, x) => attend(g, split(g, packed(g, x)), [], { scale: float(0.3) })],
    ['a look at the past only', (g, x) => attend(g, split(g, packed(g, x)), [], { unidirectional: 1 })],
  ])('takes in %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops, report } = await fused(formula, { ...options, ...variant })
      expect(ops).toEqual(['Attention'])
      expect(report.fusions).toEqual({ 'packed-attention': 1 })
    }
  })

  it('computes in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float16', [2, 5, 6])
        const [weight, bias, mask] = [[6, 24], [24], [2, 1, 5, 5]].map((dims) =>
          random.tensor(dims, 'float16', [-1, 1]),
        )
        const parts = split(g, packed(g, x, weight))
        g.output('y', attend(g, parts, [bias, undefined, mask]))
      },
      { only, ...options, tolerance: 1e-2 },
    )
    expect(ops).toEqual(['Attention'])
  })

  it('takes in what shares its weights', async () => {
    const weight = random.tensor([6, 24])
    const { ops } = await fused((g, x) => {
      const shared = g.constant(weight)
      const [a, b] = [x, g.op('Neg', [x])].map((side) => attend(g, split(g, g.op('MatMul', [side, shared]))))
      return g.op('Add', [a, b])
    }, options)
    expect(ops.sort()).toEqual(['Add', 'Attention', 'Attention', 'Neg'])
  })

  it('computes the same for every size, with and without mask and bias', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ batch: size, sequence: size, heads: size, inner: size, bias: fc.boolean(), mask: fc.boolean() }),
        async ({ batch, sequence, heads, inner, bias, mask }) => {
          const width = heads * 4
          const { ops } = await fuseFunction(only, [batch, sequence, inner])((g, x) => {
            const parts = split(g, packed(g, x, random.tensor([inner, 3 * width])), -1, [width, width, width])
            const more = [
              bias ? random.tensor([3 * width]) : undefined,
              undefined,
              mask ? random.tensor([batch, heads, sequence, sequence]) : undefined,
            ]
            return attend(g, parts, more, { num_heads: heads })
          }, options)
          expect(ops).toEqual(['Attention'])
        },
      ),
      { numRuns: 30 },
    )
  })

  it.each<[string, RegExp | undefined, Formula]>([
    [
      'parts in another order',
      undefined,
      (g, x) => {
        const [q, k, v] = split(g, packed(g, x))
        return attend(g, [k, q, v])
      },
    ],
    [
      'a part with another user',
      /"Split" has other users/,
      (g, x) => {
        const [q, k, v] = split(g, packed(g, x))
        return g.op('Add', [attend(g, [q, k, v]), q])
      },
    ],
    [
      'a product with another user',
      /has 2 users/,
      (g, x) => {
        const product = packed(g, x)
        return g.op('Concat', [attend(g, split(g, product)), product], { axis: 2 })
      },
    ],
    ['values of another width', /not of one known width/, (g, x) => attend(g, split(g, packed(g, x), -1, [6, 6, 12]))],
    ['a sum', undefined, (g, x) => attend(g, split(g, g.op('Add', [packed(g, x), random.tensor([24])])))],
    [
      'weights that are computed',
      undefined,
      (g, x) => attend(g, split(g, g.op('MatMul', [x, g.op('Transpose', [g.input('w', 'float32', [24, 6])])]))),
    ],
    [
      'what has four parts',
      undefined,
      (g, x) => {
        const [q, k, v] = split(g, packed(g, x, random.tensor([6, 32])), -1, [8, 8, 8, 8])
        return attend(g, [q, k, v])
      },
    ],
    [
      'a past',
      undefined,
      (g, x) => {
        const past = () => random.tensor([1, 2, 3, 4])
        return attend(g, split(g, packed(g, g.op('Slice', [x, int64([0]), int64([1])]))), [
          undefined,
          undefined,
          undefined,
          past(),
          past(),
        ])
      },
    ],
  ])('leaves %s alone', async (_name, reason, formula) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual(reason === undefined ? [] : [expect.stringMatching(reason)])
  })

  it('leaves alone what has no known rank', async () => {
    const { report, reasons } = await fuseGraph(
      (g) => g.output('y', attend(g, split(g, packed(g, g.input('x', 'float32'))))),
      { only, ...options, feeds: { x: random.tensor([2, 5, 6]) } },
    )
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(/has another rank than 3/)])
  })

  it.each<[string, RegExp, 'float32' | 'float64', Record<string, number>]>([
    ['a setting that the operator lacks', /Attention has no attribute softcap/, 'float32', { softcap: 1 }],
    ['float64', /no kernel for float64/, 'float64', {}],
  ])('leaves %s alone, which no runtime takes', (_name, reason, type, attributes) => {
    const build = (g: GraphBuilder): Value =>
      g.output(
        'y',
        attend(g, split(g, packed(g, g.input('x', type, [2, 5, 6]), random.tensor([6, 24], type))), [], attributes),
      )
    expect(reasonsForLeaving('packed-attention', build, options)).toEqual([expect.stringMatching(reason)])
  })
})
