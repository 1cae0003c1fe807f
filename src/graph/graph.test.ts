import { describe, expect, it } from 'vitest'
import { findNode, findValue, operators } from '../../test/support/find.ts'
import { buildModel, type GraphBuilder, tensorType } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { GraphError } from './errors.ts'
import { canReplace } from './graph.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'

/** x → Relu → Neg → Exp → y */
const chain = (): Model =>
  buildModel((g) => {
    const x = g.input('x')
    g.output('y', g.op('Exp', [g.op('Neg', [g.op('Relu', [x])])]))
  })

/** A Relu whose output a branch captures, and another branch outputs. */
const branches = (inner: (g: GraphBuilder) => void = () => {}): Model =>
  buildModel((g) => {
    const x = g.input('x')
    const relu = g.op('Relu', [x])
    const then_branch = g.subgraph((b) => {
      inner(b)
      b.output('n', b.op('Neg', [relu]))
    })
    const else_branch = g.subgraph((b) => b.graph.addOutput(relu))
    g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch, else_branch }))
    g.output('z', g.op('Abs', [relu]))
  })

const lintedAndRead = (model: Model): Model => {
  lint(model.graph)
  const read = decode(concatenate(encode(model).chunks))
  lint(read.graph)
  return read
}

describe('nodes', () => {
  it('are walked in order, nested graphs after their node', () => {
    expect(operators(chain())).toEqual(['Relu', 'Neg', 'Exp'])
    expect(operators(branches())).toEqual(['Relu', 'If', 'Neg', 'Abs'])
    expect(chain().graph.nodes.length).toBe(3)
  })

  it('may be erased while they are walked, the current one, the next and several at once', () => {
    const { graph } = buildModel((g) => {
      const x = g.input('x')
      for (let index = 0; index < 6; index++) g.op('Relu', [x], {}, { name: `n${index}` })
    })
    const visited: string[] = []
    for (const node of graph.nodes) {
      visited.push(node.name)
      if (node.name === 'n0') graph.eraseNode(node)
      if (node.name === 'n1') {
        graph.eraseNode(findNode(graph, 'n2'))
        graph.eraseNode(node)
        graph.eraseNode(findNode(graph, 'n3'))
      }
    }
    expect(visited).toEqual(['n0', 'n1', 'n4', 'n5'])
    expect([...graph.nodes].map(({ name }) => name)).toEqual(['n4', 'n5'])
    expect(graph.nodes.length).toBe(2)
  })

  it('may be inserted while they are walked: those that come after are met', () => {
    const { graph } = chain()
    const visited: string[] = []
    for (const node of graph.nodes) {
      visited.push(node.op)
      if (node.op !== 'Neg') continue
      graph.insertBefore(node, { op: 'Before', inputs: [] })
      graph.insertAfter(node, { op: 'After', inputs: [] })
    }
    expect(visited).toEqual(['Relu', 'Neg', 'After', 'Exp'])
    expect(operators(graph)).toEqual(['Relu', 'Before', 'Neg', 'After', 'Exp'])
  })

  it('may be replaced while they are walked, as a pass does', () => {
    const model = chain()
    const { graph } = model
    for (const node of graph.nodes) {
      if (!node.is('Neg')) continue
      const first = graph.insertBefore(node, { op: 'Sin', inputs: [node.inputs[0]] })
      const second = graph.insertBefore(node, { op: 'Cos', inputs: [first.output] })
      graph.replaceAllUsesWith(node.output, second.output)
      graph.eraseNode(node)
    }
    expect(operators(lintedAndRead(model))).toEqual(['Relu', 'Sin', 'Cos', 'Exp'])
  })

  it('are inserted at the front and appended at the end', () => {
    const { graph } = chain()
    graph.insertBefore(findNode(graph, 'Relu'), { op: 'First', inputs: [] })
    graph.insertAfter(findNode(graph, 'Exp'), { op: 'Last', inputs: [] })
    graph.append({ op: 'Appended', inputs: [] })
    expect(operators(graph)).toEqual(['First', 'Relu', 'Neg', 'Exp', 'Last', 'Appended'])
    expect(graph.nodes.length).toBe(6)
  })

  it('move, in the order given, behind another', () => {
    const { graph } = buildModel((g) => {
      for (const op of ['A', 'B', 'C', 'D']) g.op(op, [])
    })
    const [a, b, c, d] = graph.nodes
    if (!a || !b || !c || !d) throw new Error('four nodes were built')
    graph.moveAfter(a, [d, c])
    expect(operators(graph)).toEqual(['A', 'D', 'C', 'B'])
    graph.moveAfter(b, [a])
    expect(operators(graph)).toEqual(['D', 'C', 'B', 'A'])
    expect(graph.nodes.length).toBe(4)
    graph.append({ op: 'E', inputs: [] })
    expect(operators(graph)).toEqual(['D', 'C', 'B', 'A', 'E'])
  })
})

describe('eraseNode', () => {
  it('refuses a node that is still used, and names it and the value', () => {
    const { graph } = chain()
    const relu = findNode(graph, 'Relu')
    expect(() => graph.eraseNode(relu)).toThrow(GraphError)
    expect(() => graph.eraseNode(relu)).toThrow(
      expect.objectContaining({
        code: 'invalid-graph',
        node: relu.toString(),
        message: expect.stringContaining(relu.output.name),
      }),
    )
    expect(operators(graph)).toEqual(['Relu', 'Neg', 'Exp'])
  })

  it('refuses a node whose output the graph outputs, or a nested graph uses or outputs', () => {
    const { graph } = branches()
    expect(() => graph.eraseNode(findNode(graph, 'Abs'))).toThrow(GraphError)
    graph.replaceAllUsesWith(findValue(graph, 'z'), findNode(graph, 'Abs').output)
    expect(() => graph.eraseNode(findNode(graph, 'Relu'))).toThrow(GraphError)
  })

  it('takes the node out of the users of its inputs', () => {
    const model = chain()
    const exp = findNode(model, 'Exp')
    model.graph.insertAfter(exp, { op: 'Dead', inputs: [exp.output, exp.output] })
    const dead = findNode(model, 'Dead')
    expect([...exp.output.users]).toEqual([dead])
    model.graph.eraseNode(dead)
    expect(exp.output.users.size).toBe(0)
    lint(model.graph)
  })

  it('erases what its nested graphs hold, however deep: outer values lose those users and outputs', () => {
    const model = buildModel((g) => {
      const relu = g.op('Relu', [g.input('x')])
      const c = g.input('c', 'bool', [])
      const outer = g.subgraph((b) => {
        const then_branch = b.subgraph((deep) => deep.graph.addOutput(relu))
        const else_branch = b.subgraph((deep) => deep.output('d', deep.op('Neg', [relu])))
        b.output('o', b.op('If', [c], { then_branch, else_branch }))
      })
      g.op('If', [c], { then_branch: outer }, { name: 'dead' })
      g.output('y', g.op('Abs', [relu]))
    })
    const relu = findNode(model, 'Relu')
    expect([relu.output.users.size, relu.output.outputOf.size]).toEqual([2, 1])
    model.graph.eraseNode(findNode(model, 'dead'))
    expect([...relu.output.users].map(({ op }) => op)).toEqual(['Abs'])
    expect(relu.output.isOutput).toBe(false)
    lintedAndRead(model)
  })
})

describe('replaceAllUsesWith', () => {
  it('reaches every use, in nested graphs too, and every place of one node', () => {
    const model = buildModel((g) => {
      const relu = g.op('Relu', [g.input('x')])
      const branch = () => g.subgraph((b) => b.output('n', b.op('Neg', [relu])))
      g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(), else_branch: branch() }))
    })
    const { graph } = model
    const relu = findNode(model, 'Relu')
    const sin = graph.insertAfter(relu, { op: 'Sin', inputs: [relu.output, relu.output] })
    const cos = graph.insertBefore(relu, { op: 'Cos', inputs: [findValue(model, 'x')] })
    graph.replaceAllUsesWith(relu.output, cos.output)
    expect(sin.inputs).toEqual([cos.output, cos.output])
    for (const { nodes } of findNode(model, 'If').subgraphs) expect([...nodes][0]?.inputs).toEqual([cos.output])
    expect(relu.output.isUsed).toBe(false)
    graph.eraseNode(relu)
    lint(graph)
  })

  it('hands the name of a graph output on: it never changes', () => {
    const model = chain()
    const { graph } = model
    const [exp, neg] = [findNode(model, 'Exp'), findNode(model, 'Neg')]
    graph.replaceAllUsesWith(exp.output, neg.output)
    expect(graph.outputs).toEqual([neg.output])
    expect(neg.output.name).toBe('y')
    expect(exp.output.name).not.toBe('y')
    graph.eraseNode(exp)
    expect(lintedAndRead(model).graph.outputs.map(String)).toEqual(['y'])
  })

  it('hands the declared type, documentation and metadata of a graph output on', () => {
    const built = buildModel((g) => {
      const relu = g.op('Relu', [g.input('x')], {}, { types: [tensorType('float32', ['inferred', 4])] })
      g.output('y', g.op('Exp', [relu], {}, { types: [tensorType('float32', ['batch', 4])] }))
    })
    const source = decode(concatenate(encode(built).chunks))
    const [y] = source.graph.outputs
    Object.assign(y?.info ?? {}, { docString: 'the logits', metadataProps: [{ key: 'a', value: 'b' }] })
    const { graph } = source
    const [relu, exp] = [findNode(source, 'Relu'), findNode(source, 'Exp')]
    graph.replaceAllUsesWith(exp.output, relu.output)
    graph.eraseNode(exp)
    const [read] = lintedAndRead(source).graph.outputs
    expect(read?.type).toEqual(tensorType('float32', ['batch', 4]))
    expect(read?.info?.docString).toBe('the logits')
    expect(read?.info?.metadataProps?.[0]?.key).toBe('a')
  })

  it.each<[string, (g: GraphBuilder) => void, RegExp]>([
    ['a graph input', (g) => g.output('y', g.op('Relu', [g.input('to')])), /would become an input/],
    [
      'an initializer',
      (g) => g.output('y', g.op('Relu', [g.constant(1, { name: 'to' })])),
      /would become an initializer/,
    ],
    [
      'another output',
      (g) => {
        const to = g.op('Abs', [g.input('x')])
        g.output('to', to)
        g.output('y', g.op('Relu', [to]))
      },
      /would be one value/,
    ],
  ])('refuses to make %s an output', (_, build, reason) => {
    const { graph } = buildModel(build)
    const [from, to] = [findValue(graph, 'y'), findValue(graph, 'to')]
    expect(canReplace(from, to)).toMatch(reason)
    expect(() => graph.replaceAllUsesWith(from, to)).toThrow(GraphError)
    expect(graph.outputs.at(-1)).toBe(from)
    lint(graph)
  })

  it('refuses to make a value of another graph the output of a nested one', () => {
    const { graph } = branches()
    const [from, to] = [findValue(graph, 'n'), findNode(graph, 'Relu').output]
    expect(canReplace(from, to)).toMatch(/another graph/)
    expect(() => graph.replaceAllUsesWith(from, to)).toThrow(GraphError)
    expect(from.users.size).toBe(0)
  })

  it('of a value with itself changes nothing', () => {
    const { graph } = chain()
    const y = findValue(graph, 'y')
    graph.replaceAllUsesWith(y, y)
    expect(graph.outputs).toEqual([y])
  })
})

describe('the order of two nodes', () => {
  it('is known after any number of insertions in one place, after moves and after erasures', () => {
    const model = buildModel((g) => {
      const x = g.input('x')
      g.output('y', g.op('Neg', [g.op('Relu', [x])]))
    })
    const { graph } = model
    const [first, last] = graph.nodes
    if (first === undefined || last === undefined) throw new RangeError('Two nodes were built.')
    const inserted = Array.from({ length: 200 }, () => graph.insertBefore(last, { op: 'Abs', inputs: [first.output] }))
    const more = Array.from({ length: 200 }, () => graph.insertAfter(first, { op: 'Exp', inputs: [first.output] }))
    graph.moveAfter(first, inserted.slice(50, 60))
    for (const node of inserted.slice(0, 20)) graph.eraseNode(node)
    const order = [...graph.nodes]
    expect(order).toHaveLength(382)
    for (const [index, node] of order.entries()) {
      const next = order[index + 1]
      expect(graph.precedes(node, node)).toBe(false)
      if (next !== undefined) expect([graph.precedes(node, next), graph.precedes(next, node)]).toEqual([true, false])
    }
    expect(more.every((node) => graph.precedes(first, node) && graph.precedes(node, last))).toBe(true)
  })
})

describe('initializers', () => {
  it('go only when nothing uses them, and inputs with a default never', () => {
    const { graph } = buildModel((g) => {
      const [used, unused] = [g.constant(1, { name: 'used' }), g.constant(2, { name: 'unused' })]
      const input = g.input('input')
      g.graph.setDefault(input, g.constant(3, { name: 'three' }).initializer ?? unused.initializer ?? neverTensor())
      g.output('y', g.op('Relu', [used]))
    })
    graph.removeInitializer(findValue(graph, 'unused'))
    expect([...graph.initializers].map(String)).not.toContain('unused')
    expect(() => graph.removeInitializer(findValue(graph, 'used'))).toThrow(
      expect.objectContaining({ code: 'invalid-graph', node: findNode(graph, 'Relu').toString() }),
    )
    expect(() => graph.removeInitializer(findValue(graph, 'input'))).toThrow(GraphError)
  })
})

const neverTensor = (): never => {
  throw new Error('the builder made no tensor')
}

describe('a change of any kind', () => {
  it.each<[string, (model: Model) => void]>([
    ['a node appended', ({ graph }) => graph.append({ op: 'Relu', inputs: [] })],
    [
      'a node erased',
      ({ graph }) => graph.eraseNode(graph.insertAfter(findNode(graph, 'Exp'), { op: 'Relu', inputs: [] })),
    ],
    ['nodes moved', ({ graph }) => graph.moveAfter(findNode(graph, 'Exp'), [findNode(graph, 'Neg')])],
    ['an input replaced', ({ graph }) => findNode(graph, 'Exp').setInput(0, findValue(graph, 'x'))],
    ['an attribute set', ({ graph }) => findNode(graph, 'Exp').setAttribute('a', 1)],
    ['an attribute deleted', ({ graph }) => findNode(graph, 'Exp').deleteAttribute('a')],
    [
      'a node renamed',
      ({ graph }) => {
        findNode(graph, 'Exp').name = 'new'
      },
    ],
    [
      'a value renamed',
      ({ graph }) => {
        findValue(graph, 'x').name = 'new'
      },
    ],
    [
      'a type set',
      ({ graph }) => {
        findValue(graph, 'x').type = tensorType('float16')
      },
    ],
    ['an input added', ({ graph }) => graph.addInput('new')],
    ['an output added', ({ graph }) => graph.addOutput(findValue(graph, 'x'))],
    ['an opset imported', (model) => model.importOpset('com.microsoft', 1)],
  ])('%s, makes the model one to be written anew', (_, change) => {
    const model = decode(concatenate(encode(chain()).chunks))
    expect(model.isChanged).toBe(false)
    change(model)
    expect(model.isChanged).toBe(true)
  })
})
