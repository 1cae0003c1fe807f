import { expect, it } from 'vitest'
import { findNode, operators } from '../../test/support/find.ts'
import { runModel } from '../../test/support/run-model.ts'
import { buildModel, GraphBuilder, int64, tensorType } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { lint } from './lint.ts'
import { Tensor } from './tensor.ts'

it('builds a model that the runtime runs', async () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 2])
    const sum = g.op('Add', [x, [1, 2]])
    g.output('y', g.op('Reshape', [g.op('Mul', [sum, 2]), int64([-1])]))
  })
  lint(model.graph)
  const { y } = await runModel(concatenate(encode(model).chunks), { x: Tensor.fromNumbers('float32', [1, 2], [3, 4]) })
  expect(y?.toNumbers()).toEqual(Float64Array.of(8, 12))
})

it('makes constants from tensors and numbers, in any type, and remembers them', () => {
  const model = buildModel((g) => {
    const shapes = [
      g.constant(1),
      g.constant([1, 2, 3]),
      g.constant([1, 2], { dims: [2, 1], type: 'float16', name: 'w' }),
      g.constant(Tensor.fromNumbers('int8', [1], [1])),
      g.constant(Float64Array.of(1, 2), { type: 'float64' }),
    ]
    expect(shapes.map(({ type }) => type)).toEqual([
      tensorType('float32', []),
      tensorType('float32', [3]),
      tensorType('float16', [2, 1]),
      tensorType('int8', [1]),
      tensorType('float64', [2]),
    ])
    expect(shapes[2]?.name).toBe('w')
    expect(g.constants).toEqual(shapes)
    expect(new Set(shapes.map(String)).size).toBe(5)
  })
  expect(model.graph.initializers.size).toBe(5)
  expect(int64(3).dims).toEqual([])
})

it('puts nodes before a given one, or at the end, and remembers them', () => {
  const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x')])))
  const before = new GraphBuilder(model.graph, findNode(model, 'Relu'))
  before.op('A', [])
  before.op('B', [])
  const end = new GraphBuilder(model.graph)
  end.op('C', [])
  expect(operators(model)).toEqual(['A', 'B', 'Relu', 'C'])
  expect(before.added.map(({ op }) => op)).toEqual(['A', 'B'])
})

it('names outputs as asked, and lets a node take over another’s name, documentation and metadata', () => {
  const model = buildModel((g) => {
    const old = g.node('Old', [], {}, { name: 'old', outputs: ['a', undefined, 'c'] })
    expect(old.outputs.map((output) => output?.name)).toEqual(['a', undefined, 'c'])
    expect(g.node('Two', [], {}, { outputs: 2 }).outputs).toHaveLength(2)
  })
  const source = decode(concatenate(encode(model).chunks))
  const old = findNode(source, 'old')
  const heir = new GraphBuilder(source.graph).node('New', [], {}, { like: old })
  expect([heir.name, heir.proto]).toEqual(['old', old.proto])
})

it('gives an output the name asked for, which nothing else gets then', () => {
  const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x')])))
  expect(model.graph.outputs.map(String)).toEqual(['y'])
  expect(model.freshName('y')).toBe('y_1')
})
