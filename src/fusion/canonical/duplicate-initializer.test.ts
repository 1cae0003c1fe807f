import { expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, Tensor } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const only = ['duplicate-initializer']
const numbers = new Random(1).tensor([40, 50])
/** The same contents in another place in memory. */
const copyOf = (tensor: Tensor): Tensor => Tensor.fromBytes(tensor.elementType, tensor.dims, tensor.bytes.slice())

it('keeps one of equal weights', async () => {
  const { bytes, model, report } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [3, 40])
      g.output('y', g.op('Add', [g.op('MatMul', [x, copyOf(numbers)]), g.op('MatMul', [x, copyOf(numbers)])]))
    },
    { only },
  )
  expect(model.graph.initializers.size).toBe(1)
  expect(bytes.after).toBeLessThan(bytes.before * 0.6)
  expect(report.fusions).toEqual({ 'duplicate-initializer': 1 })
})

it('tells apart what differs in a byte, in dims or in type', async () => {
  const almost = copyOf(numbers)
  almost.bytes.set([1], 4999)
  const { model } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [40, 50])
      const rest = [numbers, almost, numbers.reshape([1, 40, 50])].map((tensor) => g.op('Mul', [x, tensor]))
      g.output('y', g.op('Sum', rest))
      g.output('zeros', g.op('Add', [g.op('Shape', [x]), Tensor.fromNumbers('int64', [1], [0])]))
      g.output('more', g.op('Add', [g.op('ReduceMax', [x], { keepdims: 0 }), Tensor.fromNumbers('float32', [1], [0])]))
    },
    { only },
  )
  expect(model.graph.initializers.size).toBe(5)
})

it('shares with nested graphs', async () => {
  const { model, report } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [1, 40])
      const branch = () => g.subgraph((inner) => inner.graph.addOutput(inner.op('MatMul', [x, copyOf(numbers)])))
      const condition = g.op('Greater', [g.op('ReduceMax', [x], { keepdims: 0 }), 0])
      const chosen = g.op('If', [condition], { then_branch: branch(), else_branch: branch() })
      g.output('y', g.op('Add', [chosen, g.op('MatMul', [x, copyOf(numbers)])]))
    },
    { only },
  )
  expect(report.fusions).toEqual({ 'duplicate-initializer': 2 })
  expect(
    [...model.graph.walk()].flatMap(({ subgraphs }) => subgraphs.map(({ initializers }) => initializers.size)),
  ).toEqual([0, 0])
})

it('leaves a default that a caller may override, an output, and what a quantisation annotation names', () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', [40, 50])
    const overridable = g.input('w', 'float32', [40, 50])
    g.graph.setDefault(overridable, copyOf(numbers))
    const annotated = g.constant(copyOf(numbers), { name: 'annotated' })
    g.graph.proto.quantizationAnnotation = [{ tensorName: 'annotated' }]
    const output = g.constant(copyOf(numbers), { name: 'output' })
    g.output('y', g.op('Sum', [x, overridable, annotated, output]))
    g.graph.addOutput(output)
  })
  expect(fuse(model, { only }).model).toBe(model)
})
