import { expect, it } from 'vitest'
import { findNode, findValue } from '../../test/support/find.ts'
import { buildModel, tensorType } from './builder.ts'
import { Tensor } from './tensor.ts'

const model = buildModel((g) => {
  const [x, d] = [g.input('x', 'float32', ['n', 2]), g.input('d')]
  g.graph.setDefault(d, Tensor.fromNumbers('float32', [2], [1, 2]))
  const w = g.constant(Tensor.fromNumbers('float16', [2], [3, 4]), { name: 'w' })
  const k = g.op('Constant', [], { value_floats: [5, 6] })
  const sum = g.node('Sum', [x, d, w, k, x], {}, { name: 'sum' })
  g.op('Unused', [])
  g.output('y', sum.output)
})

it('knows its producer, its users once each, and whether it is used', () => {
  const sum = findNode(model, 'sum')
  expect(sum.output.producer).toBe(sum)
  expect([...findValue(model, 'x').users]).toEqual([sum])
  expect(findValue(model, 'x').producer).toBeUndefined()
  expect([sum.output.isOutput, sum.output.isUsed]).toEqual([true, true])
  expect(findNode(model, 'Unused').output.isUsed).toBe(false)
})

it('is constant when no caller can change it', () => {
  expect(findValue(model, 'w').constant?.toNumbers()).toEqual(Float64Array.of(3, 4))
  expect(findNode(model, 'Constant').output.constant?.toNumbers()).toEqual(Float64Array.of(5, 6))
  expect(findValue(model, 'd').constant).toBeUndefined()
  expect(findValue(model, 'd').initializer?.toNumbers()).toEqual(Float64Array.of(1, 2))
  expect(findValue(model, 'x').constant).toBeUndefined()
  expect(findValue(model, 'y').constant).toBeUndefined()
})

it('has the type it declares, or that of its tensor', () => {
  expect(findValue(model, 'x').type).toEqual(tensorType('float32', ['n', 2]))
  expect([findValue(model, 'w').elementType, findValue(model, 'w').shape]).toEqual(['float16', [2]])
  expect([findValue(model, 'y').elementType, findValue(model, 'y').shape]).toEqual([undefined, undefined])
})
