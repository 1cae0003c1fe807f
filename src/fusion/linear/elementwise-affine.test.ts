import { describe, expect, it } from 'vitest'
import { normalize } from '../../../test/support/batch-norm.ts'
import { findNode } from '../../../test/support/find.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type GraphBuilder, type Value } from '../../graph/index.ts'
import { elementwiseAffine } from './elementwise-affine.ts'

/** What the last node is as a map of its data, each constant spread over two channels; or why it is none. */
function affineOf(build: (g: GraphBuilder, x: Value) => Value, opset = 17) {
  const model = buildModel((g) => g.output('y', build(g, g.input('x', 'float32', [1, 2]))), { opset })
  const affine = elementwiseAffine(findNode(model, model.graph.outputs[0]?.producer?.op ?? ''))
  if (typeof affine !== 'object') return affine
  const result = affine.affine((constant) => new Float64Array(2).fill(constant.scalar ?? Number.NaN), 2)
  return typeof result === 'string' ? result : [result.scale[0], result.shift[0]]
}

describe('elementwise-affine', () => {
  it.each<[string, number[], (g: GraphBuilder, x: Value) => Value]>([
    ['x · 4', [4, 0], (g, x) => g.op('Mul', [x, 4])],
    ['4 · x', [4, 0], (g, x) => g.op('Mul', [g.constant(4), x])],
    ['x / 4', [0.25, 0], (g, x) => g.op('Div', [x, 4])],
    ['x + 4', [1, 4], (g, x) => g.op('Add', [x, 4])],
    ['a Sum of two', [1, 4], (g, x) => g.op('Sum', [g.constant(4), x])],
    ['x − 4', [1, -4], (g, x) => g.op('Sub', [x, 4])],
    ['4 − x', [-1, 4], (g, x) => g.op('Sub', [g.constant(4), x])],
    ['−x', [-1, 0], (g, x) => g.op('Neg', [x])],
  ])('reads %s', (_, expected, build) => {
    expect(affineOf(build)).toEqual(expected.map((number) => (number === 0 ? expect.closeTo(0) : number)))
  })

  it.each<[string, RegExp, (g: GraphBuilder, x: Value) => Value, number?]>([
    ['4 / x', /^dividing a constant is not linear$/, (g, x) => g.op('Div', [g.constant(4), x])],
    ['x · x', /^"x" is a graph input, not a constant$/, (g, x) => g.op('Mul', [x, x])],
    ['x / 0', /has a constant that gives no finite scale and shift/, (g, x) => g.op('Div', [x, 0])],
    ['a product of opset 6', /^Mul before opset 7 broadcasts in its own way$/, (g, x) => g.op('Mul', [x, 4]), 6],
    ['a Sum of opset 7', /^Sum before opset 8 broadcasts in its own way$/, (g, x) => g.op('Sum', [x, 4]), 7],
    ['a norm of other channels', /^3 channels do not fit 2$/, (g, x) => normalize(g, x, 3)],
    [
      'a norm with computed parameters',
      /is computed, not a constant/,
      (g, x) => normalize(g, x, 2, { parameters: [g.op('Relu', [new Random(1).tensor([2])])] }),
    ],
    [
      'a norm that trains',
      /^it is in training mode \(training_mode = 1\)$/,
      (g, x) => normalize(g, x, 2, { attributes: { training_mode: 1 } }),
    ],
  ])('says why %s is none', (_, reason, build, opset) => {
    expect(affineOf(build, opset)).toMatch(reason)
  })

  it.each<[string, (g: GraphBuilder, x: Value) => Value]>([
    ['another operator', (g, x) => g.op('Relu', [x])],
    ['another domain', (g, x) => g.op('Mul', [x, 4], {}, { domain: 'my.domain' })],
    ['a Sum of three', (g, x) => g.op('Sum', [x, 4, 5])],
  ])('has nothing to say about %s', (_, build) => {
    expect(affineOf(build)).toBe(undefined)
  })
})
