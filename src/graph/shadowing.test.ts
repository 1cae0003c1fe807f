import { expect, it } from 'vitest'
import { findNode, findValue } from '../../test/support/find.ts'
import { modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { runModel } from '../../test/support/run-model.ts'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { lint } from './lint.ts'
import { Tensor } from './tensor.ts'

/** A branch that has values of outer names: an input of Loop's body, an initializer and a node's output. */
const shadowed = () => {
  const body = (name: string) => ({
    name,
    node: [nodeProto('Neg', ['x'], ['r']), nodeProto('Add', ['r', 'q'], ['n'])],
    output: values('n'),
  })
  const attribute = ['then_branch', 'else_branch'].map((name) => ({ name, type: 5, g: body(name) }))
  const bool = { name: 'c', type: { tensorType: { elemType: 9 } } }
  return decode(
    modelBytes({
      input: [...values('x'), bool],
      output: values('y', 'r'),
      node: [
        nodeProto('Exp', ['x'], ['q']),
        nodeProto('Relu', ['x'], ['r']),
        nodeProto('If', ['c'], ['y'], { attribute }),
      ],
    }),
  )
}

it('inner values that bear an outer name get one of their own: onnxruntime refuses them', async () => {
  const model = shadowed()
  model.markChanged()
  const bytes = concatenate(encode(model).chunks)
  const read = decode(bytes)
  expect(findNode(read, 'Neg').output.name).not.toBe('r')
  expect(read.graph.outputs.map(String)).toEqual(['y', 'r'])
  const feeds = { x: Tensor.fromNumbers('float32', [2], [0, 0]), c: Tensor.fromNumbers('bool', [], [1]) }
  expect((await runModel(bytes, feeds)).y?.toNumbers()).toEqual(Float64Array.of(1, 1))
})

it('names that shadow nothing stay', () => {
  const model = shadowed()
  model.markChanged()
  const read = decode(concatenate(encode(model).chunks))
  expect(findNode(read, 'Add').output.name).toBe('n')
})

it('an inner value gives its name up where a rewrite made its graph capture the outer value', async () => {
  const model = shadowed()
  const relu = findNode(model, 'Relu')
  // Add(r inner, q) becomes Add(r inner, r outer): by name alone these would be one.
  for (const { nodes } of findNode(model, 'If').subgraphs) {
    for (const node of nodes) if (node.is('Add')) node.setInput(1, relu.output)
  }
  lint(model.graph)
  const bytes = concatenate(encode(model).chunks)
  const read = decode(bytes)
  lint(read.graph)
  expect(findNode(read, 'Add').inputs[1]).toBe(findNode(read, 'Relu').output)
  expect(findNode(read, 'Add').inputs[0]).toBe(findNode(read, 'Neg').output)
  expect(read.graph.outputs.map(String)).toEqual(['y', 'r'])
  const feeds = { x: Tensor.fromNumbers('float32', [2], [3, -2]), c: Tensor.fromNumbers('bool', [], [1]) }
  const { y } = await runModel(bytes, feeds)
  expect(y?.toNumbers()).toEqual(Float64Array.of(0, 2))
})

it('inputs, initializers and deeper graphs are renamed likewise, at every depth', () => {
  const model = buildModel((g) => {
    const outer = g.op('Relu', [g.input('x')], {}, { outputs: ['v'] })
    const c = g.input('c', 'bool', [])
    const loop = g.subgraph((b) => {
      b.graph.addInput('v')
      const deep = b.subgraph((d) => {
        d.graph.addInitializer('v', Tensor.fromNumbers('float32', [], [1]))
        d.output('d', d.op('Add', [outer, findValue(d.graph, 'v')]))
      })
      b.output('o', b.op('If', [c], { then_branch: deep, else_branch: deep }))
    })
    g.output('y', g.op('Loop', [undefined, c], { body: loop }))
  })
  const read = decode(concatenate(encode(model).chunks))
  lint(read.graph)
  const add = findNode(read, 'Add')
  expect(add.inputs[0]).toBe(findNode(read, 'Relu').output)
  expect(add.inputs[1]?.constant?.scalar).toBe(1)
  expect(findNode(read, 'Loop').subgraphs[0]?.inputs[0]?.name).not.toBe('v')
})

it('a value that a nested graph merely outputs is captured too', () => {
  const model = shadowed()
  const [then] = findNode(model, 'If').subgraphs
  const relu = findNode(model, 'Relu')
  then?.addOutput(relu.output)
  const read = decode(concatenate(encode(model).chunks))
  expect(findNode(read, 'If').subgraphs[0]?.outputs[1]).toBe(findNode(read, 'Relu').output)
})

it('the graphs of operators that are not of the ONNX standard keep the names of their inputs and outputs', () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', [2])
    const kept = g.op('Exp', [x], {}, { outputs: ['kept'] })
    const inside = g.op('Neg', [x], {}, { outputs: ['inside'] })
    const body = g.subgraph((b) => {
      const own = b.op('Relu', [b.input('x', 'float32', [2])], {}, { outputs: ['inside'] })
      b.output('kept', b.op('Sum', [own, x, kept]))
    })
    g.output('y', g.op('Sum', [g.op('Search', [kept], { decoder: body }, { domain: 'custom' }), inside]))
  })
  const read = decode(concatenate(encode(model).chunks))
  lint(read.graph)
  const [body] = findNode(read, 'Search').subgraphs
  expect([...(body?.inputs ?? []), ...(body?.outputs ?? [])].map(String)).toEqual(['x', 'kept'])
  const [relu, exp] = [findNode(read, 'Relu'), findNode(read, 'Exp')]
  expect(relu.inputs).toEqual(body?.inputs)
  expect(relu.output.name).not.toBe('inside')
  // By their own names the file could not tell what it captures from what it is given.
  const sum = [...(body?.nodes ?? [])].find((node) => node.is('Sum'))
  const captured = sum?.inputs.slice(1).map((value) => value?.producer?.is('Identity') && value.producer.inputs[0])
  expect(captured).toEqual([read.graph.inputs[0], exp.output])
})
