import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { findNode } from '../../../../test/support/find.ts'
import { buildModel, type GraphBuilder, int64, type Model, Tensor, tensorType, type Value } from '../../index.ts'
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

  /** If(c) { squeeze axis 1 } else { another branch } */
  const squeezeOr = (
    size: number,
    other: (g: GraphBuilder, x: Value) => Value,
    after?: (g: GraphBuilder, y: Value) => Value,
  ) =>
    buildModel((g) => {
      const x = g.input('x', 'float32', ['n', size === 0 ? 'm' : size, 4])
      const then_branch = g.subgraph((b) => b.output('then', b.op('Squeeze', [x, int64([1])])))
      const else_branch = g.subgraph((b) => b.output('else', other(b, x)))
      const y = g.op('If', [g.input('c', 'bool', [])], { then_branch, else_branch })
      g.output('y', after === undefined ? y : after(g, y))
    })

  const identity = (g: GraphBuilder, x: Value): Value => g.op('Identity', [x])

  const branchOf = (model: Model, node = findNode(model, 'If')) => inferShapes(model).branchOf(node)

  it('knows the branch that must have been taken where the other cannot run', () => {
    const model = squeezeOr(3, identity)
    expect([...inferShapes(model, { dimensions: { n: 2 } }).conflicts]).toEqual([])
    expect(outputText(model)).toEqual(['float32[n,3,4]'])
    expect(branchOf(model)).toBe('else_branch')
    expect(branchOf(squeezeOr(0, identity))).toBeUndefined()
  })

  it('is in conflict with its inputs where neither branch can run', () => {
    const model = squeezeOr(3, (g, x) => g.op('Squeeze', [x, int64([2])]))
    expect([...inferShapes(model).conflicts.values()]).toEqual(['Neither branch can run.'])
    expect(branchOf(model)).toBeUndefined()
  })

  it('knows the branch whose rank is the only one that what follows can take', () => {
    const gemm = (g: GraphBuilder, y: Value): Value =>
      g.op('Gemm', [g.op('Relu', [y]), Tensor.fromNumbers('float32', [4, 2], new Float32Array(8))])
    const model = squeezeOr(0, identity, gemm)
    expect(outputText(model)).toEqual(['float32[n,2]'])
    expect(branchOf(model)).toBe('then_branch')
    expect(branchOf(squeezeOr(0, identity, (g, y) => g.op('Relu', [y])))).toBeUndefined()
  })

  it('follows a rank through the conditions that depend on it, into the recurrent layer that refuses it', () => {
    // torch.nn.LSTMCell as it is exported: it adds an axis to what is not batched.
    const weights = (...dims: number[]): Tensor =>
      Tensor.fromNumbers('float32', dims, new Float32Array(dims.reduce((a, b) => a * b)))
    const model = squeezeOr(0, identity, (g, y) => {
      const rank = g.op('Size', [g.op('Shape', [y])])
      const isVector = g.op('Not', [g.op('Equal', [rank, int64(2)])])
      const then_branch = g.subgraph((b) => b.output('batched', b.op('Unsqueeze', [y, int64([0])])))
      const else_branch = g.subgraph((b) => b.output('as it is', b.op('Identity', [y])))
      const batched = g.op('If', [isVector], { then_branch, else_branch })
      const sequence = g.op('Unsqueeze', [batched, int64([0])])
      return g.op('LSTM', [sequence, weights(1, 12, 4), weights(1, 12, 3)], { hidden_size: 3 })
    })
    const [first, second] = [...model.graph.nodes].filter((node) => node.is('If'))
    const shapes = inferShapes(model)
    expect([first, second].map((node) => node && shapes.branchOf(node))).toEqual(['then_branch', 'else_branch'])
    expect(outputText(model)).toEqual(['float32[1,1,n,3]'])
  })

  it('is not decided by what a branch that may not run cannot take', () => {
    const model = squeezeOr(0, identity, (g, y) => {
      const then_branch = g.subgraph((b) => b.output('matrix', b.op('Transpose', [y], { perm: [1, 0] })))
      const else_branch = g.subgraph((b) => b.output('any', b.op('Relu', [y])))
      return g.op('If', [g.input('d', 'bool', [])], { then_branch, else_branch })
    })
    expect(branchOf(model)).toBeUndefined()
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
