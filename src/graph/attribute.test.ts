import { describe, expect, it } from 'vitest'
import { findNode } from '../../test/support/find.ts'
import { Attribute, type AttributeValue, float } from './attribute.ts'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { onnx } from './proto/onnx.js'
import { Tensor } from './tensor.ts'

const { AttributeType } = onnx.AttributeProto

const throughAFile = (value: AttributeValue, name = 'a'): Attribute | undefined => {
  const model = buildModel((g) => g.output('y', g.op('Op', [], { [name]: value })))
  return findNode(decode(concatenate(encode(model).chunks)), 'Op').attributes.get(name)
}

describe('a plain value', () => {
  it.each<[string, AttributeValue, number, unknown]>([
    ['a', 3, AttributeType.INT, 3],
    ['a', -3, AttributeType.INT, -3],
    ['a', 5n, AttributeType.INT, 5],
    ['a', 0.5, AttributeType.FLOAT, 0.5],
    ['alpha', 1, AttributeType.FLOAT, 1],
    ['epsilon', 0, AttributeType.FLOAT, 0],
    ['a', float(2), AttributeType.FLOAT, 2],
    ['a', float([2, 3]), AttributeType.FLOATS, [2, 3]],
    ['a', 'text ü', AttributeType.STRING, 'text ü'],
    ['a', '', AttributeType.STRING, ''],
    ['a', [1, 2], AttributeType.INTS, [1, 2]],
    ['a', [], AttributeType.INTS, []],
    ['a', [1, 2.5], AttributeType.FLOATS, [1, 2.5]],
    ['scales', [1, 2], AttributeType.FLOATS, [1, 2]],
    ['a', ['x', 'y'], AttributeType.STRINGS, ['x', 'y']],
  ])('%s = %s keeps its type and value in a file', (name, value, type, expected) => {
    const attribute = throughAFile(value, name)
    expect([attribute?.name, attribute?.type, attribute?.value]).toEqual([name, type, expected])
  })

  it('keeps a 64-bit integer exactly', () => {
    expect(throughAFile(2n ** 62n + 1n)?.proto.i?.toString()).toBe(String(2n ** 62n + 1n))
  })

  it('keeps the largest and the smallest of 64 bits, which as numbers are not exact', () => {
    for (const end of [-(2n ** 63n), 2n ** 63n - 1n]) {
      expect(throughAFile(Number(end))?.proto.i?.toString()).toBe(String(end))
      expect(throughAFile([0, Number(end)])?.proto.ints?.map(String)).toEqual(['0', String(end)])
    }
  })

  it('may be a tensor, or an attribute already', () => {
    const tensor = Tensor.fromNumbers('float32', [2], [1, 2])
    expect(throughAFile(tensor)?.tensor?.toNumbers()).toEqual(Float64Array.of(1, 2))
    expect(throughAFile(tensor)?.type).toBe(AttributeType.TENSOR)
    const attribute = Attribute.of('a', 1)
    expect(Attribute.of('a', attribute)).toBe(attribute)
  })

  it('may be a graph, which its node owns', () => {
    const model = buildModel((g) => {
      const body = g.subgraph((inner) => inner.output('i', inner.op('Inner', [])))
      g.output('y', g.op('Op', [], { body }))
    })
    const op = findNode(decode(concatenate(encode(model).chunks)), 'Op')
    expect(op.attributes.get('body')?.type).toBe(AttributeType.GRAPH)
    expect(op.subgraphs.map(({ owner }) => owner)).toEqual([op])
  })
})

it.each<[string, onnx.AttributeProto.$Properties, number]>([
  ['a float', { f: 0.5 }, AttributeType.FLOAT],
  ['an int', { i: 3 }, AttributeType.INT],
  ['a string', { s: Uint8Array.of(65) }, AttributeType.STRING],
  ['floats', { floats: [1] }, AttributeType.FLOATS],
  ['ints', { ints: [1] }, AttributeType.INTS],
  ['strings', { strings: [Uint8Array.of(65)] }, AttributeType.STRINGS],
  ['a tensor', { t: {} }, AttributeType.TENSOR],
  ['a graph', { g: {} }, AttributeType.GRAPH],
  ['nothing', {}, AttributeType.UNDEFINED],
])('an attribute without a type that holds %s is one', (_, proto, type) => {
  expect(new Attribute({ name: 'a', ...proto }).type).toBe(type)
  const read = onnx.AttributeProto.decode(onnx.AttributeProto.encode({ name: 'a', ...proto }).finish())
  expect(new Attribute(read).type).toBe(type)
})
