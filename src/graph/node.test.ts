import { describe, expect, it } from 'vitest'
import { findNode, findValue } from '../../test/support/find.ts'
import { modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { buildModel } from './builder.ts'
import { clone } from './clone.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { Tensor } from './tensor.ts'

const build = () =>
  buildModel(
    (g) => {
      const [a, b] = [g.input('a'), g.input('b')]
      g.node(
        'Op',
        [a, undefined, a],
        { axis: -1, epsilon: 1, mode: 'x', pads: [1, 2] },
        { name: 'op', domain: 'my.domain', outputs: ['y', undefined, 'z'] },
      )
      g.output('b2', g.op('Relu', [b]))
    },
    { opsets: { 'my.domain': 3 } },
  )

describe('inputs', () => {
  it('count a user until its last place is given up', () => {
    const model = build()
    const [op, a, b] = [findNode(model, 'op'), findValue(model, 'a'), findValue(model, 'b')]
    op.setInput(0, b)
    expect(a.users.has(op)).toBe(true)
    op.setInput(2, undefined)
    expect(a.users.has(op)).toBe(false)
    expect(b.users.has(op)).toBe(true)
    expect(op.inputs).toEqual([b])
  })

  it('at the end that are not given are not there, but for the first two of a Loop', () => {
    const model = buildModel((g) => {
      const body = g.subgraph((inner) => {
        inner.input('index', 'int64', [])
        inner.output('on', inner.op('Identity', [inner.input('go', 'bool', [])]))
      })
      g.op('Loop', [g.input('count', 'int64', []), undefined], { body }, { name: 'loop' })
      g.op('Clip', [g.input('x'), undefined, undefined], {}, { name: 'clip' })
    })
    for (const one of [model, decode(concatenate(encode(model).chunks)), clone(model)]) {
      expect(findNode(one, 'loop').inputs).toEqual([findValue(one, 'count'), undefined])
      expect(findNode(one, 'clip').inputs).toEqual([findValue(one, 'x')])
    }
  })

  it('leave places in between empty', () => {
    const model = build()
    const [relu, a] = [findNode(model, 'Relu'), findValue(model, 'a')]
    relu.setInput(3, a)
    expect(relu.inputs).toEqual([findValue(model, 'b'), undefined, undefined, a])
    relu.setInput(3, undefined)
    expect(relu.inputs).toEqual([findValue(model, 'b')])
    expect(a.users.has(relu)).toBe(false)
  })

  it('are replaced in every place', () => {
    const model = build()
    const [op, a, b] = [findNode(model, 'op'), findValue(model, 'a'), findValue(model, 'b')]
    op.replaceInput(a, b)
    expect(op.inputs).toEqual([b, undefined, b])
    expect([a.users.has(op), b.users.has(op)]).toEqual([false, true])
  })
})

describe('attributes', () => {
  it('are read with the default that the operator has', () => {
    const op = findNode(build(), 'op')
    expect([op.int('axis', 1), op.int('gone', 1), op.int('gone')]).toEqual([-1, 1, undefined])
    expect([op.float('epsilon', 0), op.float('gone', 1e-5)]).toEqual([1, 1e-5])
    expect([op.string('mode', ''), op.string('gone', 'NOTSET')]).toEqual(['x', 'NOTSET'])
    expect([op.ints('pads'), op.ints('gone')]).toEqual([[1, 2], undefined])
  })

  it('are set and deleted', () => {
    const op = findNode(build(), 'op')
    op.setAttribute('axis', 2)
    op.deleteAttribute('mode')
    expect([op.int('axis'), op.attributes.has('mode')]).toEqual([2, false])
  })
})

it('knows its domain, operator set, names and outputs', () => {
  const model = build()
  const [op, relu] = [findNode(model, 'op'), findNode(model, 'Relu')]
  expect([op.target, op.opset, op.is('Op'), op.is('Op', 'my.domain')]).toEqual(['my.domain::Op', 3, false, true])
  expect([relu.target, relu.opset, relu.is('Relu')]).toEqual(['Relu', 17, true])
  expect([op.toString(), relu.toString()]).toEqual(['op', 'Relu(b2)'])
  expect(op.outputs.map((output) => output?.name)).toEqual(['y', undefined, 'z'])
  expect(op.output.name).toBe('y')
  expect(() => model.graph.append({ op: 'Sink', inputs: [], outputs: [] }).output).toThrow(RangeError)
})

describe('Constant', () => {
  const value = Tensor.fromNumbers('int32', [2], [1, 2])
  it.each([
    ['value', { value }, 'int32', [2], [1, 2]],
    ['value_float', { value_float: 1 }, 'float32', [], [1]],
    ['value_floats', { value_floats: [1, 2] }, 'float32', [2], [1, 2]],
    ['value_int', { value_int: -3 }, 'int64', [], [-3]],
    ['value_ints', { value_ints: [4, 5, 6] }, 'int64', [3], [4, 5, 6]],
  ])('gives its tensor from %s', (_, attributes, type, dims, numbers) => {
    const model = buildModel((g) => g.output('y', g.op('Constant', [], attributes)))
    const tensor = findNode(model, 'Constant').constantOutput
    expect([tensor?.elementType, tensor?.dims, [...(tensor?.toNumbers() ?? [])]]).toEqual([type, dims, numbers])
  })

  it('gives strings, and 64-bit integers exactly', () => {
    const strings = buildModel((g) => g.output('y', g.op('Constant', [], { value_strings: ['a', 'b'] })))
    expect(findNode(strings, 'Constant').constantOutput?.dims).toEqual([2])
    const text = buildModel((g) => g.output('y', g.op('Constant', [], { value_string: 'a' })))
    expect(findNode(text, 'Constant').constantOutput?.elementType).toBe('string')
    // 2⁵³ + 1 as a varint, inside AttributeProto { name: "value_int", type: INT, i }
    const model = decode(
      modelBytes({
        output: values('y'),
        node: [nodeProto('Constant', [], ['y'], { attribute: [{ name: 'value_int', type: 2, i: 2 ** 53 }] })],
      }),
    )
    const bytes = findNode(model, 'Constant').constantOutput?.bytes ?? new Uint8Array(8)
    expect(new BigInt64Array(bytes.buffer, bytes.byteOffset)[0]).toBe(2n ** 53n)
  })

  it('gives nothing for sparse constants, for other operators, and the new value after a change', () => {
    const model = buildModel((g) => {
      g.output('y', g.op('Constant', [], { value_int: 1 }))
      g.output('z', g.op('Constant', [], { value_int: 1 }, { domain: 'my.domain' }))
    })
    const [constant, other] = model.graph.nodes
    expect(other?.constantOutput).toBeUndefined()
    expect(constant?.constantOutput?.scalar).toBe(1)
    constant?.setAttribute('value_int', 2)
    expect(constant?.constantOutput?.scalar).toBe(2)
    constant?.deleteAttribute('value_int')
    expect(constant?.constantOutput).toBeUndefined()
  })
})

describe('the inputs of a node', () => {
  it('are replaced wherever they stand, and again by what replaced them', () => {
    const model = buildModel((g) => {
      const [a, b, c] = [g.input('a'), g.input('b'), g.input('c')]
      g.output('y', g.op('Sum', [a, b, a, undefined, c]))
    })
    const [node] = model.graph.nodes
    const [a, b, c] = model.graph.inputs
    if (node === undefined || a === undefined || b === undefined || c === undefined) throw new Error('There are three.')
    const names = () => node.inputs.map((input) => input?.name)
    node.replaceInput(a, b)
    expect(names()).toEqual(['b', 'b', 'b', undefined, 'c'])
    expect([a.users.has(node), b.users.has(node)]).toEqual([false, true])
    node.setInput(1, c)
    node.replaceInput(b, a)
    expect(names()).toEqual(['a', 'c', 'a', undefined, 'c'])
    expect([a.users.has(node), b.users.has(node)]).toEqual([true, false])
    node.replaceInput(b, c)
    node.replaceInput(c, c)
    expect(names()).toEqual(['a', 'c', 'a', undefined, 'c'])
    expect([b.users.has(node), c.users.has(node)]).toEqual([false, true])
  })
})
