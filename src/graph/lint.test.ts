import { describe, expect, it } from 'vitest'
import { findNode, findValue } from '../../test/support/find.ts'
import { floats, modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { GraphError } from './errors.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'

const build = (): Model =>
  buildModel((g) => {
    const [x, c] = [g.input('x'), g.input('c', 'bool', [])]
    const relu = g.op('Relu', [x], {}, { name: 'relu' })
    const branch = () => g.subgraph((b) => b.output('n', b.op('Neg', [relu])))
    const chosen = g.op('If', [c], { then_branch: branch(), else_branch: branch() }, { name: 'if' })
    g.output('y', g.op('Exp', [chosen], {}, { name: 'exp' }))
  })

it('takes a graph that is well formed, nested graphs and captured values included', () => {
  lint(build().graph)
})

it('takes a value of a sparse initializer, used in a nested graph too', () => {
  const indices = { dims: [1], dataType: 7, int64Data: [1] }
  const branch = { node: [nodeProto('Neg', ['s'], ['n'])], output: values('n') }
  const bytes = modelBytes({
    input: values('x'),
    output: values('y', 'z', 's'),
    sparseInitializer: [{ values: floats('s', [1], [5]), indices, dims: [2] }],
    node: [
      nodeProto('Add', ['x', 's'], ['y']),
      nodeProto('If', ['x'], ['z'], { attribute: [{ name: 'then_branch', type: 5, g: branch }] }),
    ],
  })
  lint(decode(bytes).graph)
})

describe('refuses, naming the node and the rule,', () => {
  it.each<[string, (model: Model) => void, RegExp, string | undefined]>([
    [
      'a use before the definition',
      (model) => model.graph.moveAfter(findNode(model, 'exp'), [findNode(model, 'relu')]),
      /not defined before its use/,
      'Neg(n)',
    ],
    [
      'the use of a value of a nested graph',
      (model) => findNode(model, 'exp').setInput(0, findNode(model, 'Neg').output),
      /not defined before its use/,
      'exp',
    ],
    [
      'two values of one name',
      (model) => {
        findNode(model, 'relu').output.name = 'x'
      },
      /Two values are named "x"/,
      'relu',
    ],
    [
      'a user that is not counted',
      (model) => findNode(model, 'relu').output.removeUser(findNode(model, 'Neg')),
      /does not count the node as a user/,
      'Neg(n)',
    ],
    [
      'a user that uses something else',
      (model) => findNode(model, 'relu').output.addUser(findNode(model, 'exp')),
      /counts a node which does not use it/,
      'exp',
    ],
    [
      'an output that does not know its graph',
      (model) => findValue(model, 'y').removeOutputOf(model.graph),
      /does not know its graph/,
      undefined,
    ],
    [
      'an output that nothing computes',
      (model) => {
        model.graph.addOutput(findNode(model, 'Neg').output)
      },
      /computed by no node/,
      undefined,
    ],
    [
      'an erased node in the list',
      (model) => {
        findNode(model, 'relu').erased = true
      },
      /erased node is still in the graph/,
      'relu',
    ],
    [
      'a nested graph of another node',
      (model) => {
        const [first] = findNode(model, 'if').subgraphs
        if (first) first.owner = findNode(model, 'exp')
      },
      /owned by another node/,
      'if',
    ],
  ])('%s', (_, breakIt, rule, node) => {
    const model = build()
    breakIt(model)
    expect(() => lint(model.graph)).toThrow(GraphError)
    expect(() => lint(model.graph)).toThrow(
      expect.objectContaining({ code: 'invalid-graph', node, message: expect.stringMatching(rule) }),
    )
  })
})
