import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { type Formula, fuseFunction, type Options, variants } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { GraphBuilder, Operand, Value } from '../../graph/index.ts'

const random = new Random(10)
const fused = fuseFunction(['skip-normalization'], ['n', 's', 6])
const layer = (g: GraphBuilder, x: Value): Value =>
  g.op('LayerNormalization', [x, random.tensor([6]), random.tensor([6])])
const rms = (g: GraphBuilder, x: Value): Value => g.op('SimplifiedLayerNormalization', [x, random.tensor([6])])
const add = (g: GraphBuilder, a: Operand, b: Operand): Value => g.op('Add', [a, b])
const branch = (g: GraphBuilder, x: Value): Value => g.op('Tanh', [x])

describe('skip-normalization', () => {
  it.each<[string, Formula, string[]]>([
    [
      'a transformer that normalises last',
      (g, x) => layer(g, add(g, branch(g, x), x)),
      ['Tanh', 'SkipLayerNormalization'],
    ],
    [
      'a bias on the branch',
      (g, x) => layer(g, add(g, add(g, branch(g, x), random.tensor([6])), x)),
      ['Tanh', 'SkipLayerNormalization'],
    ],
    [
      'a bias on the left, branch on the right',
      (g, x) => layer(g, add(g, x, add(g, random.tensor([6]), branch(g, x)))),
      ['Tanh', 'SkipLayerNormalization'],
    ],
    [
      'no bias of its own',
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([6])]),
      ['Tanh', 'SkipLayerNormalization'],
    ],
    ['RMS', (g, x) => rms(g, add(g, x, branch(g, x))), ['Tanh', 'SkipSimplifiedLayerNormalization']],
    [
      'RMS with a bias',
      (g, x) => rms(g, add(g, x, add(g, branch(g, x), random.tensor([6])))),
      ['Tanh', 'SkipSimplifiedLayerNormalization'],
    ],
    [
      'a sum that is used again, before and after',
      (g, x) => {
        const sum = add(g, x, branch(g, x))
        const before = g.op('Relu', [sum])
        return add(g, before, add(g, layer(g, sum), sum))
      },
      ['Tanh', 'SkipLayerNormalization', 'Relu', 'Add', 'Add'],
    ],
    [
      'a sum that is an output',
      (g, x) => rms(g, g.output('sum', add(g, x, branch(g, x)))),
      ['Tanh', 'SkipSimplifiedLayerNormalization'],
    ],
  ])('absorbs the residual of %s', async (_name, formula, ops) => {
    for (const variant of variants(9, 13, 17, 20)) {
      const result = await fused(formula, variant)
      expect(result.ops).toEqual(ops)
      expect(result.model.opsets.get('com.microsoft')).toBe(1)
    }
  })

  it('absorbs a residual into RMSNormalization of opset 23', async () => {
    const { ops } = await fused((g, x) => g.op('RMSNormalization', [add(g, x, branch(g, x)), random.tensor([6])]), {
      opset: 23,
    })
    expect(ops).toEqual(['Tanh', 'SkipSimplifiedLayerNormalization'])
  })

  it('computes the same for every shape, with and without bias, sum and ε', async () => {
    const shape = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(1e-5, 1e-2),
        async (dims, bias, again, simple, epsilon) => {
          const channels = dims.at(-1) ?? 1
          const { ops } = await fuseFunction(['skip-normalization'], dims)(
            (g, x) => {
              const side = bias ? add(g, branch(g, x), random.tensor([channels])) : branch(g, x)
              const sum = add(g, x, side)
              const parameters = simple
                ? [random.tensor([channels])]
                : [random.tensor([channels]), random.tensor([channels])]
              const normal = g.op(
                simple ? 'SimplifiedLayerNormalization' : 'LayerNormalization',
                [sum, ...parameters],
                { epsilon, axis: -1 },
              )
              return again ? add(g, normal, sum) : normal
            },
            { tolerance: 1e-4 },
          )
          expect(ops.filter((op) => op.startsWith('Skip')).length).toBe(1)
        },
      ),
      { numRuns: 40 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    [
      'a residual that is broadcast',
      /same shape/,
      (g, x) => layer(g, add(g, x, g.op('ReduceMean', [x], { axes: [1], keepdims: 1 }))),
      {},
    ],
    [
      'rank 4',
      /has rank 4/,
      (g, x) =>
        layer(
          g,
          add(
            g,
            g.op('Unsqueeze', [x, g.constant([0], { type: 'int64' })]),
            g.op('Unsqueeze', [branch(g, x), g.constant([0], { type: 'int64' })]),
          ),
        ),
      {},
    ],
    [
      'two axes',
      /more than/,
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([3, 6])], { axis: 1 }),
      { dimensions: { s: 3 } },
    ],
    [
      'two axes with a scale for one',
      /more than the last axis/,
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([6])], { axis: 1 }),
      { dimensions: { s: 3 } },
    ],
    [
      'one scale for all channels',
      /one number for all channels/,
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([1]), random.tensor([6])]),
      {},
    ],
    [
      'one bias for all channels',
      /one number for all channels/,
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([6]), random.tensor([1])]),
      {},
    ],
    [
      'one scale for all channels of a root mean square',
      /one number for all channels/,
      (g, x) => g.op('RMSNormalization', [add(g, x, branch(g, x)), random.tensor([1])]),
      { opset: 23 },
    ],
    [
      'a computed scale',
      /is computed/,
      (g, x) => g.op('LayerNormalization', [add(g, x, branch(g, x)), g.op('Neg', [g.constant(random.tensor([6]))])]),
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = g.op('Cast', [x], { to: 11 })
        return g.op('LayerNormalization', [add(g, wide, branch(g, wide)), random.tensor([6], 'float64')])
      },
      {},
    ],
    [
      'an ε below 0, with which the runtime has no residual',
      /its ε is -0.001/,
      (g, x) =>
        g.op('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([6])], { epsilon: -0.0010000000474974513 }),
      {},
    ],
    ['the ONNX standard', /not in the ONNX standard/, (g, x) => layer(g, add(g, x, branch(g, x))), { target: 'onnx' }],
    [
      'statistics as outputs',
      /further outputs/,
      (g, x) => {
        const node = g.node('LayerNormalization', [add(g, x, branch(g, x)), random.tensor([6])], {}, { outputs: 2 })
        const [normal, mean] = node.outputs
        return g.op('Add', [normal, mean])
      },
      {},
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('keeps a bias that has another user, or stretches the data', async () => {
    const shared = await fused((g, x) => {
      const biased = add(g, branch(g, x), random.tensor([6]))
      return add(g, layer(g, add(g, biased, x)), biased)
    })
    expect(shared.ops).toEqual(['Tanh', 'Add', 'SkipLayerNormalization', 'Add'])
    const stretched = await fused((g, x) =>
      layer(g, add(g, add(g, g.op('ReduceMean', [x], { axes: [2], keepdims: 1 }), random.tensor([6])), x)),
    )
    expect(stretched.ops).toEqual(['ReduceMean', 'Add', 'SkipLayerNormalization'])
  })
})

describe('skip-normalization-bias', () => {
  const withBias = fuseFunction(['skip-normalization-bias'], ['n', 's', 6])
  const options = { opsets: { 'com.microsoft': 1 } }
  const skip = (g: GraphBuilder, op: string, inputs: readonly Operand[]): Value =>
    g.op(op, inputs, { epsilon: 1e-3 }, { domain: 'com.microsoft' })
  const biased = (g: GraphBuilder, x: Value): Value => add(g, branch(g, x), random.tensor([6]))

  it.each<[string, Formula]>([
    [
      'the first summand',
      (g, x) => skip(g, 'SkipLayerNormalization', [biased(g, x), x, random.tensor([6]), random.tensor([6])]),
    ],
    ['the second summand', (g, x) => skip(g, 'SkipLayerNormalization', [x, biased(g, x), random.tensor([6])])],
    [
      'an RMS normalisation',
      (g, x) => skip(g, 'SkipSimplifiedLayerNormalization', [biased(g, x), x, random.tensor([6])]),
    ],
  ])('absorbs the bias of %s', async (_name, formula) => {
    for (const variant of variants(13, 17, 20)) {
      const { ops } = await withBias(formula, { ...options, ...variant })
      expect(ops).toEqual(['Tanh', expect.stringMatching(/^Skip/)])
    }
  })

  it.each(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'])('leaves %s its default ε', async (op) => {
    const { model } = await withBias(
      (g, x) => g.op(op, [biased(g, x), x, random.tensor([6])], {}, { domain: 'com.microsoft' }),
      options,
    )
    const [, node] = model.graph.nodes
    expect([node?.op, [...(node?.attributes.keys() ?? [])]]).toEqual([op, []])
  })

  const size = fc.integer({ min: 1, max: 5 })
  testDrawn(
    'skip-normalization-bias',
    fc.record({
      shape: fc.array(size, { minLength: 2, maxLength: 3 }),
      left: fc.boolean(),
      biasFirst: fc.boolean(),
      simple: fc.boolean(),
      own: fc.constantFrom('none', 'bias', 'second bias'),
      sum: fc.boolean(),
      dims: fc.constantFrom('channels' as const, 'one' as const, 'all' as const),
    }),
    ({ shape, left, biasFirst, simple, own, sum, dims }) => {
      const channels = shape.at(-1) ?? 1
      const many = simple ? own === 'second bias' : own !== 'none'
      const bias = random.tensor({ channels: [channels], one: [1], all: shape }[dims])
      return {
        fires: (dims === 'channels' || (dims === 'one' && channels === 1)) && own !== 'second bias',
        opsets: options.opsets,
        build: (g) => {
          const [x, other] = [g.input('x', 'float32', shape), g.input('skip', 'float32', shape)]
          const biased = add(g, biasFirst ? bias : x, biasFirst ? x : bias)
          const extra = many ? [random.tensor([channels])] : []
          if (!simple && own === 'second bias') extra.push(random.tensor([channels]))
          const inputs = [left ? biased : other, left ? other : biased, random.tensor([channels]), ...extra]
          const op = simple ? 'SkipSimplifiedLayerNormalization' : 'SkipLayerNormalization'
          const names = sum ? ['y', undefined, undefined, 'total'] : ['y']
          const { outputs } = g.node(op, inputs, { epsilon: 1e-3 }, { domain: 'com.microsoft', outputs: names })
          for (const output of outputs) if (output !== undefined) g.output(output.name, output)
        },
      }
    },
  )

  it.each<[string, Formula]>([
    [
      'a second bias',
      (g, x) =>
        skip(g, 'SkipLayerNormalization', [
          biased(g, x),
          x,
          random.tensor([6]),
          random.tensor([6]),
          random.tensor([6]),
        ]),
    ],
    [
      'a bias with another user',
      (g, x) => {
        const sum = biased(g, x)
        return add(g, skip(g, 'SkipLayerNormalization', [sum, x, random.tensor([6])]), sum)
      },
    ],
  ])('leaves %s alone', async (_name, formula) => {
    expect((await withBias(formula, options)).report.fusions).toEqual({})
  })
})
