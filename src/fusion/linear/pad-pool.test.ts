import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { type BuildOptions, float, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const only = ['pad-pool']
const infinity = Number.NEGATIVE_INFINITY
type Attributes = Parameters<GraphBuilder['op']>[2]

const fused = (
  op: 'AveragePool' | 'MaxPool',
  pad: (g: GraphBuilder, x: Value) => Value,
  attributes: Attributes = {},
  options: CompareOptions & BuildOptions = {},
) =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [2, 3, 6, 7])
      g.output('y', g.op(op, [pad(g, x)], { kernel_shape: [3, 3], ...attributes }))
    },
    { only, ...options },
  )

const padded = (g: GraphBuilder, x: Value, value: number, pads = [0, 0, 1, 1, 0, 0, 1, 0]): Value =>
  g.op('Pad', [x, int64(pads), value])

describe('pad-pool', () => {
  it('takes −∞ into a MaxPool, by attribute, by input and for axes named', async () => {
    const attribute = await fused(
      'MaxPool',
      (g, x) => g.op('Pad', [x], { pads: [0, 0, 1, 1, 0, 0, 1, 0], value: float(infinity) }),
      {},
      { opset: 10, irVersion: 5 },
    )
    expect(attribute.ops).toEqual(['MaxPool'])
    const input = await fused('MaxPool', (g, x) => padded(g, x, infinity), { strides: [2, 2], pads: [1, 0, 0, 1] })
    expect(input.ops).toEqual(['MaxPool'])
    const axes = await fused(
      'MaxPool',
      (g, x) => g.op('Pad', [x, int64([1, 2]), infinity, int64([-1])]),
      {},
      { opset: 18 },
    )
    expect(axes.ops).toEqual(['MaxPool'])
  })

  it('takes zeros into a MaxPool where nothing is below them', async () => {
    for (const build of [
      (g: GraphBuilder, x: Value) => g.op('Relu', [x]),
      (g: GraphBuilder, x: Value) => g.op('Sigmoid', [x]),
      (g: GraphBuilder, x: Value) => g.op('Clip', [x, 0, 6]),
    ]) {
      const { ops } = await fused('MaxPool', (g, x) => padded(g, build(g, x), 0), { strides: [2, 2] })
      expect(ops).toEqual([expect.any(String), 'MaxPool'])
    }
  })

  it('takes zeros into an AveragePool, which counts them then', async () => {
    const plain = await fused('AveragePool', (g, x) => padded(g, x, 0), { strides: [2, 1] })
    expect(plain.ops).toEqual(['AveragePool'])
    const counting = await fused('AveragePool', (g, x) => padded(g, x, 0), { pads: [0, 1, 0, 0], count_include_pad: 1 })
    expect(counting.ops).toEqual(['AveragePool'])
  })

  it('leaves zeros before a MaxPool of numbers below them: onnxruntime itself is wrong there', async () => {
    for (const build of [
      (_g: GraphBuilder, x: Value) => x,
      (g: GraphBuilder, x: Value) => g.op('Clip', [x, -1, 6]),
      (g: GraphBuilder, x: Value) => g.op('Clip', [x, 6, -1]),
    ]) {
      const { ops, reasons } = await fused('MaxPool', (g, x) => padded(g, build(g, x), 0))
      expect(ops).toContain('Pad')
      expect(reasons[0]).toMatch(/pads with 0, and a MaxPool with −∞/)
    }
  })

  it('leaves ceil_mode, dilations, wide padding, other numbers and modes', async () => {
    for (const [op, value, attributes, pads, reason] of [
      [
        'MaxPool',
        infinity,
        { ceil_mode: 1, strides: [2, 2] },
        undefined,
        /with ceil_mode its last window depends on who pads/,
      ],
      [
        'AveragePool',
        0,
        { ceil_mode: 1, strides: [2, 2] },
        undefined,
        /with ceil_mode its last window depends on who pads/,
      ],
      ['MaxPool', infinity, { dilations: [2, 2] }, undefined, /its window has holes \(dilations\)/],
      ['MaxPool', infinity, {}, [0, 0, 3, 0, 0, 0, 0, 0], /as wide as its kernel/],
      ['AveragePool', 0, {}, [0, 0, 0, 3, 0, 0, 0, 0], /as wide as its kernel/],
      ['AveragePool', 1, {}, undefined, /pads with 1, not with 0/],
      ['AveragePool', 0, { pads: [1, 0, 0, 0] }, undefined, /does not count the padding of its own/],
      ['AveragePool', 0, { auto_pad: 'SAME_UPPER' }, undefined, /follows the size of the image/],
    ] as const) {
      const { ops, reasons } = await fused(op, (g, x) => padded(g, x, value, pads && [...pads]), attributes)
      expect(ops).toEqual(['Pad', op])
      expect(reasons[0]).toMatch(reason)
    }
    const mode = await fused('AveragePool', (g, x) =>
      g.op('Pad', [x, int64([0, 0, 1, 0, 0, 0, 1, 0])], { mode: 'edge' }),
    )
    expect(mode.reasons[0]).toMatch(/it pads by edge, not with a constant/)
  })

  it('leaves an image that may have no pixels, unless a convolution has made it', async () => {
    const build = (g: GraphBuilder, x: Value): Value => padded(g, x, infinity)
    const { ops, reasons } = await fuseGraph(
      (g) =>
        g.output('y', g.op('MaxPool', [build(g, g.input('x', 'float32', ['n', 1, 'h', 4]))], { kernel_shape: [3, 3] })),
      { only: ['pad-pool'], dimensions: { h: 4 } },
    )
    expect(ops).toEqual(['Pad', 'MaxPool'])
    expect(reasons).toEqual(['its image may have no pixels, which a pool does not take'])
    const convolved = await fuseGraph(
      (g) => {
        const image = g.op('Conv', [
          g.input('x', 'float32', ['n', 1, 'h', 4]),
          Tensor.fromNumbers('float32', [1, 1, 1, 1], [2]),
        ])
        g.output('y', g.op('MaxPool', [build(g, image)], { kernel_shape: [3, 3] }))
      },
      { only: ['pad-pool'], dimensions: { h: 4 } },
    )
    expect(convolved.ops).toEqual(['Conv', 'MaxPool'])
  })

  it('leaves an AveragePool before opset 7, which does not count padding', () => {
    const reasons = reasonsForLeaving(
      'pad-pool',
      (g) => {
        const image = g.op('Pad', [g.input('x', 'float32', [1, 1, 4, 4])], { pads: [0, 0, 1, 1, 0, 0, 1, 1] })
        g.output('y', g.op('AveragePool', [image], { kernel_shape: [3, 3] }))
      },
      { opset: 6 },
    )
    expect(reasons).toEqual(['an AveragePool before opset 7 does not count padding'])
  })

  it('leaves a MaxPool that gives places, and a Pad with other users', async () => {
    const places = await fuseGraph(
      (g) => {
        const pool = g.node(
          'MaxPool',
          [padded(g, g.input('x', 'float32', [1, 1, 4, 4]), infinity)],
          { kernel_shape: [3, 3] },
          { outputs: 2 },
        )
        g.output('y', pool.output)
        if (pool.outputs[1] !== undefined) g.output('places', pool.outputs[1])
      },
      { only },
    )
    expect(places.reasons[0]).toMatch(/counts in the padded image/)
    const { reasons } = await fuseGraph(
      (g) => {
        const image = g.output('p', padded(g, g.input('x', 'float32', [1, 1, 4, 4]), 0))
        g.output('y', g.op('AveragePool', [image], { kernel_shape: [3, 3] }))
      },
      { only },
    )
    expect(reasons[0]).toMatch(/is an output of its graph/)
  })

  it('computes the same for any pads', { timeout: 120_000 }, async () => {
    const amount = fc.integer({ min: 0, max: 2 })
    const settings = fc.record({
      op: fc.constantFrom('MaxPool' as const, 'AveragePool' as const),
      pads: fc.tuple(amount, amount, amount, amount),
      own: fc.tuple(amount, amount, amount, amount),
      kernel: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      counts: fc.integer({ min: 0, max: 1 }),
    })
    await fc.assert(
      fc.asyncProperty(settings, async ({ op, pads: [a, b, c, d], own, kernel, stride, counts }) => {
        fc.pre(own.every((pad) => pad < kernel))
        const { report } = await fused(
          op,
          (g, x) => padded(g, x, op === 'MaxPool' ? infinity : 0, [0, 0, a, b, 0, 0, c, d]),
          {
            kernel_shape: [kernel, kernel],
            strides: [stride, stride],
            pads: own,
            ...(op === 'AveragePool' ? { count_include_pad: counts } : {}),
          },
        )
        const sums = [a + own[0], b + own[1], c + own[2], d + own[3]]
        const uncounted = op === 'AveragePool' && counts === 0 && own.some((pad) => pad > 0)
        const fits = sums.every((pad) => pad < kernel) && !uncounted
        expect(report.fusions['pad-pool']).toBe(fits ? 1 : undefined)
      }),
      { numRuns: 60 },
    )
  })
})
