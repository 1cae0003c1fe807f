import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { operators } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { buildModel, elementTypes, type GraphBuilder, type Operand, Tensor } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['dropout']
const bool = (value: number): Tensor => Tensor.fromNumbers('bool', [], [value])

const dropped =
  (inputs: readonly Operand[] = [], attributes: Record<string, number> = {}) =>
  (g: GraphBuilder): void => {
    const x = g.op('Relu', [g.input('x', 'float32', [2, 3])])
    g.output('y', g.op('Neg', [g.op('Dropout', [x, ...inputs], attributes, { name: 'drop' })]))
  }

describe('dropout goes', () => {
  it.each<[string, number, readonly Operand[], Record<string, number>]>([
    ['with nothing said', 17, [], {}],
    ['with a ratio', 17, [0.5], {}],
    ['with training_mode = false', 17, [0.5, bool(0)], {}],
    ['with training_mode left out by an empty name', 17, [undefined, undefined], {}],
    ['with a ratio attribute, opset 10', 10, [], { ratio: 0.5 }],
    ['opset 7', 7, [], { ratio: 0.5 }],
  ])('%s', async (_, opset, inputs, attributes) => {
    const { ops } = await fuseGraph(dropped(inputs, attributes), { only, opset })
    expect(ops).toEqual(['Relu', 'Neg'])
  })

  it('with is_test = 1, opset 6', () => {
    const model = buildModel(dropped([], { ratio: 0.5, is_test: 1 }), { opset: 6 })
    expect(operators(fuse(model, { only }).model)).toEqual(['Relu', 'Neg'])
  })

  it('with a mask that nobody uses', async () => {
    const build = (g: GraphBuilder): void => {
      const drop = g.node('Dropout', [g.op('Relu', [g.input('x', 'float32', [2, 3])])], {}, { outputs: 2 })
      g.output('y', drop.output)
    }
    expect((await fuseGraph(build, { only })).ops).toEqual(['Relu'])
  })
})

describe('dropout stays, and the report says why,', () => {
  const stays = (build: (g: GraphBuilder) => void, reason: RegExp, options: { opset?: number } = {}): void => {
    const model = buildModel(build, options)
    const { model: fused, report } = fuse(model)
    expect(operators(fused)).toContain('Dropout')
    expect(report.nearMisses).toContainEqual({ fusion: 'dropout', node: 'drop', reason: expect.stringMatching(reason) })
    expect(fuse(model, { only }).model).toBe(model)
  }

  it('with training_mode = true', () => stays(dropped([0.5, bool(1)]), /training_mode = true/))

  it('with a training_mode that is computed, or an input', () => {
    stays((g) => {
      const mode = g.input('mode', 'bool', [])
      g.output('y', g.op('Dropout', [g.op('Relu', [g.input('x')]), 0.5, mode], {}, { name: 'drop' }))
    }, /training mode is computed \("mode"\)/)
  })

  it('with a training_mode whose default a caller may override', () => {
    stays((g) => {
      const mode = g.input('mode', 'bool', [])
      g.graph.setDefault(mode, bool(0))
      g.output('y', g.op('Dropout', [g.op('Relu', [g.input('x')]), 0.5, mode], {}, { name: 'drop' }))
    }, /training mode is computed/)
  })

  it('with a mask that is used, or an output', () => {
    for (const use of ['Not', undefined]) {
      stays((g) => {
        const drop = g.node('Dropout', [g.op('Relu', [g.input('x')])], {}, { name: 'drop', outputs: 2 })
        const [y, mask] = drop.outputs
        if (!y || !mask) throw new Error('two outputs were built')
        g.output('y', y)
        g.output('m', use === undefined ? mask : g.op(use, [mask]))
      }, /its mask ".*" is used/)
    }
  })

  it('with is_test = 0 or not written, opset 6', () => {
    for (const attributes of [{}, { is_test: 0 }])
      stays(dropped([], { ratio: 0.5, ...attributes }), /is_test = 0/, { opset: 6 })
  })
})

testDrawn(
  'dropout',
  fc.record({
    shape: shapes({ min: 0 }),
    ratio: fc.constantFrom(undefined, 0, 0.5, 0.9),
    training: fc.constantFrom(undefined, false),
    mask: fc.constantFrom('absent', 'unused', 'used'),
    opset: fc.constantFrom(7, 10, 12, 13, 17),
  }),
  ({ shape, ratio, training, mask, opset }) => ({
    build: (g) => {
      const x = g.op('Relu', [g.input('x', 'float32', shape)])
      const attributes = opset < 12 && ratio !== undefined ? { ratio } : {}
      const operands = opset < 12 ? [] : [ratio, ...(training === undefined ? [] : [bool(0)])]
      const { outputs } = g.node('Dropout', [x, ...operands], attributes, { outputs: mask === 'absent' ? 1 : 2 })
      g.output('y', g.op('Neg', [outputs[0]]))
      if (mask === 'used') g.output('z', g.op('Cast', [outputs[1]], { to: elementTypes.int32.code }))
    },
    opset,
    fires: mask !== 'used',
  }),
)
