import { expect, it } from 'vitest'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'

const build = () =>
  buildModel(
    (g) => {
      const branch = g.subgraph((b) => b.output('inner', b.op('Relu', [g.input('x')], {}, { name: 'node' })))
      g.output('y', g.op('If', [g.constant(1, { name: 'w' })], { then_branch: branch }))
    },
    { opset: 15, irVersion: 7, opsets: { 'com.microsoft': 1 }, name: 'main' },
  )

it('gives names that nothing in it has, in no nested graph either, and never one twice', () => {
  for (const model of [build(), decode(concatenate(encode(build()).chunks))]) {
    for (const taken of ['x', 'y', 'w', 'inner', 'node']) expect(model.freshName(taken)).not.toBe(taken)
    expect(model.freshName('free')).toBe('free')
    expect(model.freshName('free')).toBe('free_1')
    model.claimName('free_2')
    expect(model.freshName('free')).toBe('free_3')
    expect(model.freshName('')).not.toBe('')
  }
})

it('knows its versions', () => {
  const model = build()
  expect([model.irVersion, model.opset, model.opsets.get('com.microsoft'), model.graph.name]).toEqual([
    7,
    15,
    1,
    'main',
  ])
})

it('imports an operator set once: a version that is there stays', () => {
  const model = build()
  model.importOpset('com.microsoft', 2)
  model.importOpset('new', 3)
  expect([...model.opsets]).toEqual([
    ['', 15],
    ['com.microsoft', 1],
    ['new', 3],
  ])
})
