import { expect, it } from 'vitest'
import { findNode, findValue, operators } from '../../test/support/find.ts'
import { floats, modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { buildModel } from './builder.ts'
import { clone } from './clone.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'
import { Tensor } from './tensor.ts'

const build = (): Model =>
  buildModel((g) => {
    const [x, d, c] = [g.input('x'), g.input('d'), g.input('c', 'bool', [])]
    g.graph.setDefault(d, Tensor.fromNumbers('float32', [1], [1]))
    const relu = g.op('Relu', [x], {}, { name: 'relu' })
    const branch = (op: string) =>
      g.subgraph((b) => b.output(`${op}_out`, b.op(op, [relu, b.constant([2], { name: 'two' })])))
    const chosen = g.op('If', [c], { then_branch: branch('Add'), else_branch: branch('Sub') })
    const clipped = g.op('Clip', [chosen, undefined, d], {}, { name: 'clip' })
    g.output('y', g.op('Mul', [clipped, g.op('Constant', [], { value_float: 3 })]))
  })

const bytesOf = (model: Model): Uint8Array => concatenate(encode(model).chunks)

it('is the same model, written byte for byte', () => {
  const model = build()
  const copy = clone(model)
  lint(copy.graph)
  expect(bytesOf(copy)).toEqual(bytesOf(model))
  expect(copy.graph.initializers).not.toBe(model.graph.initializers)
})

it('of an unchanged model is unchanged: the same bytes', () => {
  const source = bytesOf(build())
  const model = decode(source)
  const copy = clone(model)
  expect(copy.isChanged).toBe(false)
  expect(encode(copy).chunks).toEqual([source])
  model.markChanged()
  expect(clone(model).isChanged).toBe(true)
})

it('may be changed in any way without the original noticing', () => {
  const model = build()
  const before = bytesOf(model)
  const copy = clone(model)
  const { graph } = copy
  const [relu, add, clip] = [findNode(copy, 'relu'), findNode(copy, 'Add'), findNode(copy, 'clip')]
  clip.setAttribute('a', 1)
  clip.name = 'renamed'
  add.setInput(0, findValue(copy, 'x'))
  findNode(copy, 'Sub').setInput(0, findValue(copy, 'x'))
  graph.eraseNode(relu)
  findValue(copy, 'd').initializer = undefined
  findValue(copy, 'x').name = 'image'
  graph.append({ op: 'New', inputs: [] })
  copy.importOpset('com.microsoft', 1)
  expect(bytesOf(model)).toEqual(before)
  lint(model.graph)
  expect(operators(model)).toEqual(['Relu', 'If', 'Add', 'Sub', 'Clip', 'Constant', 'Mul'])
  expect(model.opsets.has('com.microsoft')).toBe(false)
})

it('shares the tensors, which nobody can change', () => {
  const model = build()
  const copy = clone(model)
  expect(findValue(copy, 'd').initializer).toBe(findValue(model, 'd').initializer)
})

it('gives out no name that the original has', () => {
  const model = build()
  const copy = clone(model)
  for (const name of ['x', 'y', 'two', 'relu', 'Add_out']) expect(copy.freshName(name)).not.toBe(name)
})

it('keeps everything a file holds', () => {
  const indices = { name: 'i', dims: [1], dataType: 7, int64Data: [1] }
  const branch = { docString: 'kept', node: [nodeProto('Add', ['s', 'w'], ['n'])], output: values('n') }
  const bytes = modelBytes(
    {
      docString: 'kept',
      input: values('x'),
      output: values('y', 'z'),
      valueInfo: values('r'),
      initializer: [floats('w', [1], [1])],
      sparseInitializer: [{ values: floats('s', [1], [5]), indices, dims: [2] }],
      node: [
        nodeProto('Relu', ['x'], ['r'], { docString: 'kept' }),
        nodeProto('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', type: 5, g: branch }] }),
        nodeProto('F', ['r'], ['z'], { domain: 'f', overload: 'o' }),
      ],
    },
    { functions: [{ name: 'F', domain: 'f', overload: 'o', input: ['a'], output: ['a'] }], docString: 'kept' },
  )
  const model = decode(bytes)
  model.markChanged()
  const copy = clone(model)
  lint(copy.graph)
  expect(bytesOf(copy)).toEqual(bytesOf(model))
})
