import { expect, it } from 'vitest'
import { buildModel } from './builder.ts'
import { clone } from './clone.ts'
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

it('knows which operators it has, nested ones too, while nodes come and go', () => {
  const model = buildModel((g) => {
    const branch = g.subgraph((b) => b.output('inner', b.op('Relu', [g.input('x')])))
    g.op('Gelu', [g.op('Neg', [g.input('z')])], {}, { domain: 'com.microsoft' })
    g.output('y', g.op('If', [g.constant(1)], { then_branch: branch }))
  })
  for (const { graph } of [model, clone(model), decode(concatenate(encode(model).chunks))]) {
    const owner = graph.model
    const has = () => ['Relu', 'If', 'Neg', 'com.microsoft::Gelu', 'Gelu', 'Exp'].map((target) => owner.has(target))
    expect(has()).toEqual([true, true, true, true, false, false])
    const [neg, gelu, last] = graph.nodes
    if (neg === undefined || gelu === undefined || last === undefined) throw new Error('There are three nodes.')
    graph.insertAfter(last, { op: 'Exp', inputs: [] })
    graph.moveAfter(gelu, [neg])
    graph.eraseNode(gelu)
    expect(has()).toEqual([true, true, true, false, false, true])
  }
})
