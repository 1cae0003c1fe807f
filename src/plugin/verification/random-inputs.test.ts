import { expect, test } from 'vitest'
import { buildModel, type GraphBuilder, int64, Tensor } from '../../graph/index.ts'
import { inputRole } from './input-role.ts'
import { inputSizes } from './input-sizes.ts'
import { randomInputs } from './random-inputs.ts'

const firstInputs = (build: (g: GraphBuilder) => void, seed = 1) => {
  const { graph } = buildModel(build)
  const roles = new Map(graph.inputs.map((input) => [input.name, inputRole(input)]))
  const [sizes] = inputSizes(graph)
  if (sizes === undefined) throw new RangeError('No sizes were found.')
  return randomInputs(graph, { sizes, roles, choices: new Map(), distribution: 'normal', seed })
}

const image = (g: GraphBuilder) => {
  g.output('y', g.op('Relu', [g.input('x', 'float32', ['n', 3, 64, 64])]))
}

test('a seed gives the same inputs every time, and another seed others', () => {
  const [first, again, other] = [firstInputs(image, 1), firstInputs(image, 1), firstInputs(image, 2)]
  expect(first.x?.bytes).toEqual(again.x?.bytes)
  expect(first.x?.bytes).not.toEqual(other.x?.bytes)
})

test('floats are normal: mean 0, deviation 1', () => {
  const numbers = firstInputs(image).x?.toNumbers() ?? new Float64Array()
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length
  const variance = numbers.reduce((sum, value) => sum + value * value, 0) / numbers.length
  expect(numbers.length).toBe(2 * 3 * 64 * 64)
  expect(Math.abs(mean)).toBeLessThan(0.02)
  expect(Math.abs(variance - 1)).toBeLessThan(0.03)
})

test('a name stands for one size in every input', () => {
  const inputs = firstInputs((g) => {
    const a = g.input('a', 'float32', ['b', 's0', 4])
    const b = g.input('b', 'float32', ['b', 's0'])
    g.output('y', g.op('Add', [a, g.op('Unsqueeze', [b, int64([2])])]))
  })
  expect(inputs.a?.dims.slice(0, 2)).toEqual(inputs.b?.dims)
})

test.each([
  ['Gather', (g: GraphBuilder, ids: ReturnType<GraphBuilder['input']>) => g.op('Gather', [g.constant([1, 2, 3]), ids])],
  [
    'Gather behind Cast and Unsqueeze',
    (g: GraphBuilder, ids: ReturnType<GraphBuilder['input']>) =>
      g.op('Gather', [g.constant([1, 2, 3]), g.op('Unsqueeze', [g.op('Cast', [ids], { to: 6 }), int64([0])])]),
  ],
  [
    'OneHot',
    (g: GraphBuilder, ids: ReturnType<GraphBuilder['input']>) =>
      g.op('OneHot', [ids, g.constant(int64(3)), g.constant([0, 1])]),
  ],
  [
    'Equal with a range',
    (g: GraphBuilder, ids: ReturnType<GraphBuilder['input']>) =>
      g.op('Equal', [g.op('Unsqueeze', [ids, int64([1])]), g.constant(int64([0, 1, 2]))]),
  ],
])('indices stay below the bound that %s sets, and reach it', (_, use) => {
  const { ids } = firstInputs((g) => {
    g.output('y', use(g, g.input('ids', 'int64', [200])))
  })
  expect(new Set(ids?.toNumbers())).toEqual(new Set([0, 1, 2]))
})

test('of two tables the smaller one bounds the indices', () => {
  const { ids } = firstInputs((g) => {
    const input = g.input('ids', 'int64', [200])
    const small = g.op('Gather', [g.constant([1, 2]), input])
    g.output('y', g.op('Add', [small, g.op('Gather', [g.constant([1, 2, 3]), input])]))
  })
  expect(new Set(ids?.toNumbers())).toEqual(new Set([0, 1]))
})

test('a mask is all ones with one seed, and ends in padding with the next', () => {
  const build = (g: GraphBuilder) => {
    g.output('y', g.op('Identity', [g.input('attention_mask', 'int64', [1, 8])]))
  }
  expect([...(firstInputs(build, 1).attention_mask?.toNumbers() ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
  expect([...(firstInputs(build, 2).attention_mask?.toNumbers() ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 0, 0])
})

test('an operand of Reshape is a shape', () => {
  const { shape } = firstInputs((g) => {
    const x = g.input('x', 'float32', [2, 3])
    g.output('y', g.op('Reshape', [x, g.input('shape', 'int64', [3])]))
  })
  expect([...(shape?.toNumbers() ?? [])]).toEqual([-1, 1, 1])
})

test('inputs with a default are left out', () => {
  const inputs = firstInputs((g) => {
    const scale = g.input('scale', 'float32', [1])
    g.graph.setDefault(scale, Tensor.fromNumbers('float32', [1], [2]))
    g.output('y', g.op('Mul', [g.input('x', 'float32', [1]), scale]))
  })
  expect(Object.keys(inputs)).toEqual(['x'])
})
