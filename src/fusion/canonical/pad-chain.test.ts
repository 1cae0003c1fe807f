import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Operand, type Value } from '../../graph/index.ts'

const only = ['pad-chain']

const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions & { shape?: number[] } = {},
): Promise<Fused> =>
  fuseGraph((g) => g.output('y', build(g, g.input('x', 'float32', options.shape ?? [3, 4]))), { only, ...options })

const pad = (g: GraphBuilder, x: Value, pads: number[], value?: Operand, mode = 'constant'): Value =>
  g.op('Pad', [x, int64(pads), value], { mode })

describe('pad-chain adds up', () => {
  it('pads with zeros, whether the zero is written or not', async () => {
    expect((await fused((g, x) => pad(g, pad(g, x, [1, 0, 0, 2]), [0, 1, 2, 0], 0))).ops).toEqual(['Pad'])
    expect((await fused((g, x) => pad(g, pad(g, x, [1, 0, 0, 2], 0), [0, 1, 2, 0]))).ops).toEqual(['Pad'])
  })

  it('pads with −∞ and repeated edges', async () => {
    const infinity = Number.NEGATIVE_INFINITY
    const padded = await fused((g, x) =>
      g.op('Relu', [pad(g, pad(g, x, [1, 0, 0, 2], infinity), [0, 1, 2, 0], infinity)]),
    )
    expect(padded.ops).toEqual(['Pad', 'Relu'])
    expect(
      (await fused((g, x) => pad(g, pad(g, x, [1, 1, 1, 1], undefined, 'edge'), [1, 0, 2, 0], undefined, 'edge'))).ops,
    ).toEqual(['Pad'])
  })

  it('pads in attributes (opset 10), three in a row', async () => {
    const { ops } = await fused(
      (g, x) => [1, 2, 3].reduce((value, n) => g.op('Pad', [value], { pads: [n, 0, 0, 1], value: 2.5 }), x),
      { opset: 10 },
    )
    expect(ops).toEqual(['Pad'])
  })
})

describe('pad-chain leaves alone', () => {
  it.each<[string, RegExp, (g: GraphBuilder, x: Value) => Value]>([
    ['different numbers', /different numbers/, (g, x) => pad(g, pad(g, x, [1, 1, 1, 1], 1), [1, 1, 1, 1], 2)],
    ['different modes', /mode constant/, (g, x) => pad(g, pad(g, x, [1, 1, 1, 1]), [1, 1, 1, 1], undefined, 'edge')],
    [
      'reflection',
      /mode reflect mirrors what the other has padded/,
      (g, x) => pad(g, pad(g, x, [1, 1, 1, 1], undefined, 'reflect'), [1, 1, 1, 1], undefined, 'reflect'),
    ],
    ['what cuts off first', /cuts off/, (g, x) => pad(g, pad(g, x, [-1, 0, 0, 0]), [1, 0, 0, 0])],
    ['what cuts off last', /cuts off/, (g, x) => pad(g, pad(g, x, [1, 0, 0, 0]), [-2, 0, 0, 0])],
    [
      'a result with other users',
      /is an output/,
      (g, x) => pad(g, g.output('first', pad(g, x, [1, 0, 0, 0])), [1, 0, 0, 0]),
    ],
  ])('%s', async (_, reason, build) => {
    const { ops, reasons } = await fused(build)
    expect(ops).toEqual(['Pad', 'Pad'])
    expect(reasons[0]).toMatch(reason)
  })

  it('pads of some axes (opset 18), computed pads and computed numbers', async () => {
    const some = await fused((g, x) => pad(g, g.op('Pad', [x, int64([1, 1]), undefined, int64([1])]), [1, 0, 0, 0]), {
      opset: 18,
    })
    expect(some.ops).toEqual(['Pad', 'Pad'])
    expect(some.reasons).toEqual([expect.stringMatching(/pads some axes only/)])
    const feeds = { x: new Random(1).tensor([3, 4]), pads: int64([1, 0, 1, 0]), value: new Random(2).tensor([]) }
    const computed = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [3, 4])
        const first = g.op('Pad', [x, g.input('pads', 'int64', [4])])
        g.output('y', pad(g, first, [1, 0, 0, 0]))
        g.output('z', pad(g, pad(g, x, [1, 0, 0, 0]), [1, 0, 0, 0], g.input('value', 'float32', [])))
      },
      { only, feeds },
    )
    expect(computed.ops).toEqual(['Pad', 'Pad', 'Pad', 'Pad'])
    expect(computed.reasons).toEqual([
      expect.stringMatching(/pads of .* are computed/),
      expect.stringMatching(/number that .* is computed/),
    ])
  })
})

it('computes the same for random pads', async () => {
  const pads = fc.array(fc.integer({ min: -1, max: 2 }), { minLength: 4, maxLength: 4 })
  const step = fc.record({
    pads,
    mode: fc.constantFrom('constant', 'constant', 'edge'),
    value: fc.constantFrom(0, 0, 1),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 3 }), async (steps) => {
      await fused((g, x) => steps.reduce((padded, { pads, mode, value }) => pad(g, padded, pads, value, mode), x), {
        shape: [9, 9],
      })
    }),
    { numRuns: 50 },
  )
})
