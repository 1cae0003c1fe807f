import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { buildModel, int64, type Model, Tensor, tensorType } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const yes = Tensor.fromNumbers('bool', [], [1])

const outputText = (model: Model): string[] => {
  const shapes = inferShapes(model)
  return model.graph.outputs.map((output) => `${shapes.elementTypeOf(output)}[${shapes.shapeOf(output)}]`)
}

describe('If', () => {
  it('keeps what holds for both branches', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      const condition = g.input('c', 'bool', [])
      const then_branch = g.subgraph((b) => b.output('then', b.op('Relu', [x])))
      const else_branch = g.subgraph((b) => b.output('else', b.op('Concat', [x, x], { axis: 1 })))
      g.output('y', g.op('If', [condition], { then_branch, else_branch }))
    })
    await expectShapes(model, { n: 3 }, { open: true })
    expect(outputText(model)).toEqual([expect.stringMatching(/^float32\[n,\?\d+\]$/)])
  })

  it('runs the branch that a size decides', async () => {
    // torch.squeeze as it is exported.
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 1, 4])
      const isOne = g.op('Equal', [g.op('Gather', [g.op('Shape', [x]), int64([1])]), int64([1])])
      const then_branch = g.subgraph((b) => b.output('then', b.op('Squeeze', [x, int64([1])])))
      const else_branch = g.subgraph((b) => b.output('else', b.op('Identity', [x])))
      g.output('y', g.op('If', [isOne], { then_branch, else_branch }))
    })
    await expectShapes(model, { n: 3 })
    expect(outputText(model)).toEqual(['float32[n,4]'])
  })

  it('does not mind a branch that could never run', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 3, 4])
      const then_branch = g.subgraph((b) => b.output('then', b.op('Squeeze', [x, int64([1])])))
      const else_branch = g.subgraph((b) => b.output('else', b.op('Identity', [x])))
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch, else_branch }))
    })
    expect([...inferShapes(model, { dimensions: { n: 2 } }).conflicts]).toEqual([])
  })
})

describe('Loop', () => {
  it('keeps state shapes, and stacks what each step gives', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      const body = g.subgraph((b) => {
        const [, condition, state] = [b.input('i', 'int64', []), b.input('c', 'bool', []), b.input('s', 'float32')]
        b.output('again', b.op('Identity', [condition]))
        b.output('next', b.op('Add', [state, x]))
        b.output('scan', b.op('ReduceSum', [state], { keepdims: 0 }))
      })
      const { outputs } = g.node('Loop', [int64(5), yes, x], { body }, { outputs: 2 })
      for (const [index, output] of outputs.entries()) if (output) g.output(`y${index}`, output)
    })
    await expectShapes(model, { n: 3 })
    expect(outputText(model)).toEqual(['float32[n,4]', 'float32[5]'])
  })

  it('opens the axis that grows, and leaves the others', async () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', [1, 'n'])
      const body = g.subgraph((b) => {
        const [, condition, state] = [b.input('i', 'int64', []), b.input('c', 'bool', []), b.input('s', 'float32')]
        b.output('again', b.op('Identity', [condition]))
        b.output('next', b.op('Concat', [state, x], { axis: 0 }))
      })
      g.output('y', g.op('Loop', [g.input('trips', 'int64', []), yes, x], { body }))
    })
    await expectShapes(model, { n: 3 }, { open: true })
    expect(outputText(model)).toEqual([expect.stringMatching(/^float32\[\?\d+,n\]$/)])
  })

  it('does not know how often a condition holds', () => {
    const model = buildModel((g) => {
      const body = g.subgraph((b) => {
        const [i] = [b.input('i', 'int64', []), b.input('c', 'bool', [])]
        b.output('again', b.op('Less', [i, int64(3)]))
        b.output('scan', b.op('Range', [int64(0), i, int64(1)]))
      })
      g.output('y', g.op('Loop', [int64(9), yes], { body }))
    })
    // Neither how many steps there are, nor the size that differs in each.
    expect(outputText(model)).toEqual([expect.stringMatching(/^int64\[\?\d+,\?\d+\]$/)])
  })

  it('reports no conflict of a body that may never run', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      const body = g.subgraph((b) => {
        const condition = [b.input('i', 'int64', []), b.input('c', 'bool', [])][1]
        b.output('again', b.op('Identity', [condition]))
        b.output('scan', b.op('Add', [x, g.constant([1, 2, 3])]))
      })
      g.output('y', g.op('Loop', [g.input('trips', 'int64', []), yes], { body }))
    })
    expect([...inferShapes(model).conflicts]).toEqual([])
  })
})

describe('Scan', () => {
  it('slices its inputs and stacks its outputs', async () => {
    const model = buildModel((g) => {
      const initial = g.input('initial', 'float32', ['n'])
      const x = g.input('x', 'float32', ['t', 'n'])
      const body = g.subgraph((b) => {
        const [state, slice] = [
          b.graph.addInput('s', tensorType('float32')),
          b.graph.addInput('e', tensorType('float32')),
        ]
        b.output('next', b.op('Add', [state, slice]))
        b.output('out', b.op('Concat', [state, slice], { axis: 0 }))
      })
      const { outputs } = g.node(
        'Scan',
        [initial, x],
        { body, num_scan_inputs: 1, scan_output_axes: [1] },
        { outputs: 2 },
      )
      for (const [index, output] of outputs.entries()) if (output) g.output(`y${index}`, output)
    })
    await expectShapes(model, { n: 3, t: 4 }, { open: true })
    const pinned = inferShapes(model, { dimensions: { t: 4 } })
    expect(model.graph.outputs.map((output) => `${pinned.shapeOf(output)}`)).toEqual(['n', '2*n,4'])
  })
})
