import { expect, it } from 'vitest'
import { buildModel, int64, tensorType } from './builder.ts'
import { print } from './print.ts'
import { Tensor } from './tensor.ts'

it('prints one row a node, in FX’s order: inputs, constants, calls, outputs', () => {
  const { graph } = buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 3, 8, undefined])
    const w = g.constant(Tensor.fromNumbers('float32', [1, 3, 1, 1], [1, 2, 3]), { name: 'w' })
    const conv = g.op('Conv', [x, w], { pads: [0, 0, 0, 0], auto_pad: 'NOTSET' }, { name: 'conv' })
    const gelu = g.op(
      'Gelu',
      [conv, undefined, w],
      { alpha: 0.5 },
      { domain: 'com.microsoft', outputs: ['gelu'], types: [tensorType('float32')] },
    )
    g.output('y', g.op('Reshape', [gelu, g.constant(int64([-1]), { name: 'shape' })]))
  })
  expect(`\n${print(graph)}\n`).toBe(`
opcode       name   target               inputs         attributes                         type
-----------  -----  -------------------  -------------  ---------------------------------  -----------------------
input        x                                                                             float32[batch, 3, 8, ?]
initializer  w                                                                             float32[1, 3, 1, 1]
initializer  shape                                                                         int64[1]
call         conv   Conv                 (x, w)         pads=[0, 0, 0, 0] auto_pad=NOTSET  ?
call         gelu   com.microsoft::Gelu  (conv, , w)    alpha=0.5                          float32[...]
call         y      Reshape              (gelu, shape)                                     ?
output       y                                                                             ?
`)
})

it('prints nested graphs indented below their node, and tensors by their type', () => {
  const { graph } = buildModel((g) => {
    const c = g.input('c', 'bool', [])
    const k = g.op('Constant', [], { value: Tensor.fromNumbers('float32', [2, 2], [1, 2, 3, 4]) }, { outputs: ['k'] })
    const then_branch = g.subgraph((b) => b.output('n', b.op('Neg', [k])), 'then')
    g.output('y', g.op('If', [c], { then_branch }))
  })
  expect(`\n${print(graph)}\n`).toBe(`
opcode    name  target    inputs  attributes           type
--------  ----  --------  ------  -------------------  ------
input     c                                            bool[]
call      k     Constant  ()      value=float32[2, 2]  ?
call      y     If        (c)     then_branch=graph    ?
  call    n     Neg       (k)                          ?
  output  n                                            ?
output    y                                            ?
`)
})
