import { expect, it } from 'vitest'
import { operators } from '../../test/support/find.ts'
import { runModel } from '../../test/support/run-model.ts'
import { buildModel, concatenate, encode, type GraphBuilder, int32Inputs, int64, lint, Tensor } from './index.ts'

const embedding = (g: GraphBuilder): void => {
  const ids = g.input('ids', 'int64', ['n'])
  const mask = g.input('mask', 'int64', ['n'])
  const table = Tensor.fromNumbers('float32', [4], [10, 20, 30, 40])
  const keep = g.op('Cast', [mask], { to: 1 })
  g.output('y', g.op('Mul', [g.op('Gather', [table, ids]), keep]))
}

const bytesOf = (model: Parameters<typeof encode>[0]): Uint8Array => concatenate(encode(model).chunks)

it('takes int32 where the model takes int64, and computes the same', async () => {
  const model = buildModel(embedding)
  const narrow = int32Inputs(model)
  lint(narrow.graph)
  const types = narrow.graph.inputs.map(({ name, elementType, shape }) => [name, elementType, shape])
  expect(types).toEqual([
    ['ids', 'int32', ['n']],
    ['mask', 'int32', ['n']],
  ])
  expect(operators(narrow)).toEqual(['Cast', 'Cast', 'Cast', 'Gather', 'Mul'])
  const feeds = (type: 'int32' | 'int64') => ({
    ids: Tensor.fromNumbers(type, [3], [3, 0, -1]),
    mask: Tensor.fromNumbers(type, [3], [1, 0, 2]),
  })
  const [before, after] = [
    await runModel(bytesOf(model), feeds('int64')),
    await runModel(bytesOf(narrow), feeds('int32')),
  ]
  expect(after.y?.toNumbers()).toEqual(before.y?.toNumbers())
  expect(model.graph.inputs[0]?.elementType).toBe('int64')
})

it('reaches uses in nested graphs', async () => {
  const model = buildModel((g) => {
    const n = g.input('n', 'int64', [2])
    const branch = (op: string) => g.subgraph((inner) => inner.output(op, inner.op(op, [n])))
    g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch('Neg'), else_branch: branch('Abs') }))
  })
  const { y } = await runModel(bytesOf(int32Inputs(model)), {
    n: Tensor.fromNumbers('int32', [2], [-3, 4]),
    c: Tensor.fromNumbers('bool', [], [0]),
  })
  expect([...(y?.toNumbers() ?? [])]).toEqual([3, 4])
})

it('reads the shape of the input itself', () => {
  const model = buildModel((g) => {
    const ids = g.input('ids', 'int64', ['n'])
    g.output('y', g.op('Add', [g.op('Shape', [ids]), ids]))
  })
  expect(operators(int32Inputs(model))).toEqual(['Cast', 'Shape', 'Add'])
})

it('leaves inputs of other types, of one number, with a default, or handed on as an output', () => {
  const model = buildModel((g) => {
    const [x, axis] = [g.input('x', 'float32', [2]), g.input('axis', 'int64', [1])]
    g.graph.setDefault(axis, int64([0]))
    g.output('y', g.op('Unsqueeze', [x, axis]))
    g.output('z', g.op('Neg', [g.input('number', 'int64', [])]))
    g.graph.addOutput(g.input('same', 'int64', [3]))
  })
  expect(int32Inputs(model)).toBe(model)
})
