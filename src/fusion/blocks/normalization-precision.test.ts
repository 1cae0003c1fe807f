import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import type { Formula, Options } from '../../../test/support/fuse-function.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { Random } from '../../../test/support/run-model.ts'
import { spellRms, spellStandardised } from '../../../test/support/spell-norm.ts'
import {
  type ElementType,
  elementTypes,
  type GraphBuilder,
  type Operand,
  Tensor,
  type Value,
} from '../../graph/index.ts'

const random = new Random(9)
const only = [
  'layer-normalization',
  'rms-normalization',
  'normalization-affine',
  'normalization-precision',
  'skip-normalization',
]
const cast = (g: GraphBuilder, x: Value, type: ElementType): Value => g.op('Cast', [x], { to: elementTypes[type].code })

/** What float16 holds, as float32. */
const held = (size: number): Tensor =>
  Tensor.fromNumbers('float32', [size], random.tensor([size], 'float16').toNumbers())

/** norm of x as float32, as float16 again. */
const inFloat32 =
  (norm: Formula): Formula =>
  (g, x) =>
    cast(g, norm(g, cast(g, x, 'float32')), 'float16')

const fused = (formula: Formula, options: Options & { shape?: readonly (number | string)[] } = {}) =>
  fuseGraph((g) => g.output('y', formula(g, g.input('x', 'float16', options.shape ?? ['n', 3, 8]))), {
    only,
    tolerance: 4e-3,
    ...options,
  })
const layer =
  (scale: Operand, bias?: Operand): Formula =>
  (g, x) =>
    g.op('LayerNormalization', [x, scale, bias], { axis: -1 })

describe('normalization-precision', () => {
  it.each<[string, Formula, string[]]>([
    [
      'LLaMA: RMS, its scale after the cast',
      (g, x) => g.op('Mul', [random.tensor([8], 'float16'), inFloat32((g2, v) => spellRms(g2, v))(g, x)]),
      ['SimplifiedLayerNormalization'],
    ],
    ['a layer norm that is written out', inFloat32((g, x) => spellStandardised(g, x)), ['LayerNormalization']],
    ['a layer norm with scale and bias', inFloat32(layer(held(8), held(8))), ['LayerNormalization']],
    [
      'a scale after it, before the cast',
      inFloat32((g, x) => g.op('Mul', [layer(held(8))(g, x), Tensor.fromNumbers('float32', [], [2])])),
      ['LayerNormalization'],
    ],
    [
      'a residual before it',
      (g, x) => inFloat32((g2, v) => spellRms(g2, v))(g, g.op('Add', [x, g.input('z', 'float16', ['n', 3, 8])])),
      ['SkipSimplifiedLayerNormalization'],
    ],
  ])('takes the casts away: %s', async (_name, formula, expected) => {
    for (const opset of [17, 18]) expect((await fused(formula, { opset })).ops).toEqual(expected)
  })

  it('computes the same for every shape', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        async (shape, isRms, hasScale) => {
          const size = shape.at(-1) ?? 1
          const norm: Formula = (g, x) => {
            const y = isRms ? spellRms(g, x) : spellStandardised(g, x)
            return hasScale ? g.op('Mul', [y, held(size)]) : y
          }
          const { ops } = await fused(inFloat32(norm), { shape })
          expect(ops).toEqual([isRms ? 'SimplifiedLayerNormalization' : 'LayerNormalization'])
        },
      ),
      { numRuns: 20 },
    )
  })

  it('holds where the squares are beyond float16', async () => {
    const x = random.tensor([2, 3, 8], 'float16', [-900, 900])
    expect(
      (
        await fused(
          inFloat32((g, v) => spellRms(g, v)),
          { feeds: { x } },
        )
      ).ops,
    ).toEqual(['SimplifiedLayerNormalization'])
  })

  it('leaves alone what computes in another type', () => {
    const build = (g: GraphBuilder): Value => {
      const wide = cast(g, g.input('x', 'float16', [2, 8]), 'float32')
      const normal = g.op('LayerNormalization', [wide, held(8)], { axis: -1, stash_type: 16 })
      return g.output('y', cast(g, normal, 'float16'))
    }
    expect(reasonsForLeaving('normalization-precision', build)).toEqual(['it computes in another type (16)'])
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['a scale that float16 does not hold', /float16 does not hold/, inFloat32(layer(random.tensor([8]))), {}],
    [
      'a scale that is an input',
      /is a graph input/,
      (g, x) => inFloat32(layer(g.input('s', 'float32', [8])))(g, x),
      {},
    ],
    [
      'a result that others use as float32',
      /has 2 users/,
      (g, x) => {
        const y = layer(held(8))(g, cast(g, x, 'float32'))
        return g.op('Mul', [cast(g, y, 'float16'), cast(g, g.op('Abs', [y]), 'float16')])
      },
      {},
    ],
    [
      'statistics that others use',
      /its statistics/,
      (g, x) => {
        const wide = cast(g, x, 'float32')
        const { outputs } = g.node('LayerNormalization', [wide, held(8)], { axis: -1 }, { outputs: 2 })
        const [y = x, mean = x] = outputs
        return g.op('Add', [cast(g, y, 'float16'), cast(g, mean, 'float16')])
      },
      {},
    ],
    [
      'a norm that wasm has not for float16',
      /no RMSNormalization for float16/,
      inFloat32((g, x) => g.op('RMSNormalization', [x, held(8)])),
      { opset: 23 },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, { ...options, only: ['normalization-precision'] })
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
