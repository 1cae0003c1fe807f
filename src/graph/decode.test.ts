import fc from 'fast-check'
import protobuf from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import { floats, modelBytes, nodeProto, values } from '../../test/support/model-proto.ts'
import { Random } from '../../test/support/run-model.ts'
import { buildModel, tensorType } from './builder.ts'
import { decode, newestIrVersion, newestOpset } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { ModelError, type ModelErrorCode } from './errors.ts'
import { int64, Tensor } from './index.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

/** Every kind of thing a model holds, in a few hundred bytes: branches, captures, constants, a default input. */
const rich = (): Uint8Array => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 4])
    const choose = g.input('choose', 'bool', [])
    const scale = g.graph.addInput('scale', tensorType('float32', [4]))
    g.graph.setDefault(scale, Tensor.fromNumbers('float32', [4], [1, 2, 3, 4]))
    const y = g.op('Mul', [x, scale])
    const constant = g.op('Constant', [], { value: new Random(1).tensor([4]) })
    const branch = (op: string) =>
      g.subgraph((inner) =>
        inner.output(`${op}_out`, inner.op(op, [y, inner.constant(Tensor.fromNumbers('float32', [4], [1, 2, 3, 4]))])),
      )
    const [then_branch, else_branch] = [branch('Add'), branch('Sub')]
    const chosen = g.op('If', [choose], { then_branch, else_branch })
    const shaped = g.op('Reshape', [g.op('Add', [chosen, constant]), int64([-1, 2, 2])], { allowzero: 0 })
    g.output('y', shaped)
  })
  return concatenate(encode(model).chunks)
}

const codeOf = (read: () => unknown): ModelErrorCode | undefined => {
  try {
    read()
    return undefined
  } catch (error) {
    if (error instanceof ModelError) return error.code
    throw error
  }
}

/** A damaged file may still be a model; anything else is a ModelError. */
const decodesOrRefuses = (bytes: Uint8Array): ModelErrorCode | undefined =>
  codeOf(() => {
    const model = decode(bytes)
    lint(model.graph)
    model.markChanged()
    decode(concatenate(encode(model).chunks))
  })

describe('what is not a model is refused with a code', () => {
  const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'
  it.each<[string, Uint8Array, ModelErrorCode]>([
    ['an empty file', new Uint8Array(0), 'empty-file'],
    ['a Git-LFS pointer', text(lfs), 'git-lfs-pointer'],
    ['an HTML page', text('<!DOCTYPE html><html></html>'), 'html-instead-of-model'],
    ['plain text', text('hello world, this is no model'), 'not-onnx'],
    ['zeros', new Uint8Array(64), 'not-onnx'],
    ['a message with no graph', Uint8Array.of(8, 8), 'not-onnx'],
    ['a message with no IR version', modelBytes({}, { irVersion: 0 }), 'not-onnx'],
    ['an IR version of the future', modelBytes({}, { irVersion: newestIrVersion + 1 }), 'unsupported-ir-version'],
    ['an opset of the future', modelBytes({}, { opsetImport: [{ version: newestOpset + 1 }] }), 'unsupported-opset'],
    [
      'an opset of the future under its long name',
      modelBytes({}, { opsetImport: [{ domain: 'ai.onnx', version: newestOpset + 1 }] }),
      'unsupported-opset',
    ],
  ])('%s', (_, bytes, code) => {
    expect(codeOf(() => decode(bytes))).toBe(code)
  })

  it('a model cut anywhere is refused, as truncated or as no model', () => {
    const whole = rich()
    const codes = new Set<ModelErrorCode | undefined>()
    for (let length = 0; length < whole.length; length++) {
      const code = decodesOrRefuses(whole.subarray(0, length))
      codes.add(code)
      // Cut inside a field, there is no doubt.
      if (length > 60 && code !== 'truncated') {
        // Between two fields of the outermost message it may be a smaller model, or one without its graph.
        expect([undefined, 'not-onnx', 'truncated']).toContain(code)
      }
    }
    expect(codes).toContain('truncated')
    expect(decodesOrRefuses(whole)).toBeUndefined()
  })

  it('a model with any one byte changed is a model or a ModelError', () => {
    const whole = rich()
    for (let index = 0; index < whole.length; index++) {
      for (const flip of [0x01, 0x04, 0x80, 0xff]) {
        const damaged = Uint8Array.from(whole)
        damaged[index] = (damaged[index] ?? 0) ^ flip
        decodesOrRefuses(damaged)
      }
    }
  })

  it('random bytes are no model, or a ModelError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), (bytes, plausible) => {
        decodesOrRefuses(plausible ? Uint8Array.from([8, 8, ...bytes]) : bytes)
      }),
      { numRuns: 2000, seed: 1 },
    )
  })

  it('graphs nested without end are refused', () => {
    const inside = (field: number, bytes: Uint8Array): Uint8Array =>
      protobuf.Writer.create()
        .uint32((field << 3) | 2)
        .bytes(bytes)
        .finish()
    // GraphProto.node → NodeProto.attribute → AttributeProto.g → GraphProto, and so on; ModelProto.graph around it.
    let graph: Uint8Array = new Uint8Array(0)
    for (let depth = 0; depth < 5000; depth++) graph = inside(1, inside(5, inside(6, graph)))
    const bytes = concatenate([Uint8Array.of(8, 8), inside(7, graph)])
    expect(['not-onnx', 'truncated']).toContain(codeOf(() => decode(bytes)))
  })
})

describe('an ill-formed graph is refused with a code and the node', () => {
  const relu = (input: string, output: string, name = '') => nodeProto('Relu', [input], [output], { name })
  const [x, y] = [values('x'), values('y')]
  it.each<[string, Parameters<typeof modelBytes>[0], ModelErrorCode, string]>([
    [
      'two nodes with one output name',
      { input: x, output: y, node: [relu('x', 'y', 'one'), relu('x', 'y', 'two')] },
      'duplicate-name',
      'two',
    ],
    [
      'a node whose output has an input’s name',
      { input: x, output: x, node: [relu('x', 'x', 'n')] },
      'duplicate-name',
      'n',
    ],
    ['two inputs of one name', { input: [...x, ...x], output: x }, 'duplicate-name', '"x"'],
    [
      'two initializers of one name',
      { initializer: [floats('w', [1], [1]), floats('w', [1], [2])], output: values('w') },
      'duplicate-name',
      '"w"',
    ],
    [
      'two default values of one input',
      { input: x, initializer: [floats('x', [1], [1]), floats('x', [1], [2])], output: x },
      'duplicate-name',
      '"x"',
    ],
    [
      'one node with one output name twice',
      { input: x, output: y, node: [nodeProto('Split', ['x'], ['y', 'y'])] },
      'duplicate-name',
      '"y"',
    ],
    ['an input that nothing computes', { input: x, output: y, node: [relu('gone', 'y', 'n')] }, 'dangling-name', 'n'],
    ['an output that nothing computes', { input: x, output: y }, 'dangling-name', '"y"'],
    [
      'a nested graph that uses what nothing computes',
      {
        input: x,
        output: y,
        node: [
          nodeProto('If', ['x'], ['y'], {
            attribute: [
              { name: 'then_branch', type: 5, g: { node: [relu('gone', 'b', 'inner')], output: values('b') } },
            ],
          }),
        ],
      },
      'dangling-name',
      'inner',
    ],
    [
      'a value of a nested graph used outside it',
      {
        input: x,
        output: y,
        node: [
          nodeProto('If', ['x'], ['c'], {
            attribute: [{ name: 'then_branch', type: 5, g: { node: [relu('x', 'b')], output: values('b') } }],
          }),
          relu('b', 'y', 'outer'),
        ],
      },
      'dangling-name',
      'outer',
    ],
    ['a node that uses its own output', { output: y, node: [relu('y', 'y', 'n')] }, 'cyclic-graph', 'n'],
    [
      'two nodes that use each other',
      { output: y, node: [relu('y', 'z', 'one'), relu('z', 'y', 'two')] },
      'cyclic-graph',
      'one',
    ],
    [
      'a node whose nested graph uses the node’s output',
      {
        input: x,
        output: y,
        node: [
          nodeProto('If', ['x'], ['y'], {
            name: 'n',
            attribute: [{ name: 'then_branch', type: 5, g: { node: [relu('y', 'b')], output: values('b') } }],
          }),
        ],
      },
      'cyclic-graph',
      'n',
    ],
    [
      'a node whose nested graph outputs the node’s output',
      {
        input: x,
        output: y,
        node: [
          nodeProto('If', ['x'], ['y'], { name: 'n', attribute: [{ name: 'then_branch', type: 5, g: { output: y } }] }),
        ],
      },
      'cyclic-graph',
      'n',
    ],
    [
      'a tensor with data too short',
      { output: values('w'), initializer: [{ name: 'w', dims: [2], dataType: 1, rawData: new Uint8Array(4) }] },
      'invalid-tensor',
      '"w"',
    ],
    [
      'a tensor with a negative dim',
      { output: values('w'), initializer: [{ name: 'w', dims: [-2], dataType: 1, rawData: new Uint8Array(8) }] },
      'invalid-tensor',
      '"w"',
    ],
    [
      'a constant with data too short',
      {
        output: y,
        node: [
          nodeProto('Constant', [], ['y'], {
            attribute: [{ name: 'value', type: 4, t: { name: 'w', dims: [2], dataType: 1, floatData: [1] } }],
          }),
        ],
      },
      'invalid-tensor',
      '"w"',
    ],
  ])('%s', (_, graph, code, mentioned) => {
    expect(() => decode(modelBytes(graph))).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringContaining(mentioned),
        remedy: expect.stringMatching(/./),
      }),
    )
  })

  it('external data not given is refused when a weight is asked for, and says which file', () => {
    const externalData = [{ key: 'location', value: 'weights.bin' }]
    const initializer = [{ name: 'w', dims: [2], dataType: 1, dataLocation: 1, externalData }]
    const model = decode(modelBytes({ output: values('w'), initializer }))
    const [w] = model.graph.initializers
    expect(() => w?.initializer?.bytes).toThrow(
      expect.objectContaining({ code: 'external-data-missing', message: expect.stringContaining('weights.bin') }),
    )
  })
})

describe('decode', () => {
  const one = (model: Model) => [...model.graph.nodes].map(({ op }) => op)

  it('reads inputs, outputs, initializers, nodes and opsets', () => {
    const bytes = modelBytes(
      {
        input: values('x'),
        output: values('y'),
        initializer: [floats('w', [2], [1, 2])],
        node: [
          nodeProto('Add', ['x', 'w'], ['s'], { name: 'add' }),
          nodeProto('Gelu', ['s'], ['y'], { domain: 'com.microsoft' }),
        ],
      },
      {
        opsetImport: [
          { domain: 'ai.onnx', version: 13 },
          { domain: 'com.microsoft', version: 1 },
        ],
      },
    )
    const model = decode(bytes)
    const [add, gelu] = model.graph.nodes
    expect([model.irVersion, model.opset, add?.opset, gelu?.opset]).toEqual([8, 13, 13, 1])
    expect([add?.target, gelu?.target]).toEqual(['Add', 'com.microsoft::Gelu'])
    expect(model.graph.inputs.map(String)).toEqual(['x'])
    expect(model.graph.outputs.map(String)).toEqual(['y'])
    expect(add?.inputs[1]?.constant?.toNumbers()).toEqual(Float64Array.of(1, 2))
    expect([...(add?.output.users ?? [])]).toEqual([gelu])
    expect(model.graph.outputs[0]?.producer).toBe(gelu)
    expect(model.isChanged).toBe(false)
  })

  it('reads a node of the domain "ai.onnx" as one of the standard', () => {
    const bytes = modelBytes({
      input: values('x'),
      output: values('y'),
      node: [nodeProto('Relu', ['x'], ['y'], { domain: 'ai.onnx' })],
    })
    expect([...decode(bytes).graph.nodes][0]?.is('Relu')).toBe(true)
  })

  it('reads a file without opset imports under opset 1', () => {
    const bytes = modelBytes({ input: values('x'), output: values('x') }, { irVersion: 2, opsetImport: [] })
    expect(decode(bytes).opset).toBe(1)
  })

  it('sorts nodes, those that a nested graph depends on too, and leaves the rest in order', () => {
    const branch = { name: 'b', node: [nodeProto('Neg', ['late'], ['n'])], output: values('n') }
    const bytes = modelBytes({
      input: values('x', 'c'),
      output: values('y', 'z'),
      node: [
        nodeProto('Abs', ['x'], ['z']),
        nodeProto('If', ['c'], ['y'], {
          attribute: [
            { name: 'then_branch', type: 5, g: branch },
            { name: 'else_branch', type: 5, g: branch },
          ],
        }),
        nodeProto('Exp', ['early'], ['late']),
        nodeProto('Relu', ['x'], ['early']),
      ],
    })
    const { graph } = decode(bytes)
    lint(graph)
    expect([...graph.nodes].map(({ op }) => op)).toEqual(['Abs', 'Relu', 'Exp', 'If'])
  })

  it('sorts the nodes of nested graphs', () => {
    const branch = { node: [nodeProto('Neg', ['m'], ['n']), nodeProto('Exp', ['x'], ['m'])], output: values('n') }
    const attribute = [{ name: 'then_branch', type: 5, g: branch }]
    const { graph } = decode(
      modelBytes({ input: values('x'), output: values('y'), node: [nodeProto('If', ['x'], ['y'], { attribute })] }),
    )
    lint(graph)
    expect([...graph.walk()].map(({ op }) => op)).toEqual(['If', 'Exp', 'Neg'])
  })

  it('sorts a chain of 20,000 nodes written backwards', () => {
    const node = Array.from({ length: 20_000 }, (_, index) =>
      nodeProto('Relu', [`v${index}`], [`v${index + 1}`]),
    ).reverse()
    const { graph } = decode(modelBytes({ input: values('v0'), output: values('v20000'), node }))
    lint(graph)
    expect([...graph.nodes][0]?.output.name).toBe('v1')
  })

  it('keeps the place of optional inputs and outputs that are left out', () => {
    const bytes = modelBytes({
      input: values('x', 'max'),
      output: values('y'),
      node: [nodeProto('Clip', ['x', '', 'max'], ['y']), nodeProto('Two', ['x'], ['', 'second'])],
    })
    const [clip, two] = decode(bytes).graph.nodes
    expect(clip?.inputs.map((value) => value?.name)).toEqual(['x', undefined, 'max'])
    expect(two?.outputs.map((value) => value?.name)).toEqual([undefined, 'second'])
  })

  it('takes duplicate and empty node names', () => {
    const node = ['a', 'b', 'c'].map((output) =>
      nodeProto('Relu', ['x'], [output], { name: output === 'c' ? '' : 'same' }),
    )
    const { graph } = decode(modelBytes({ input: values('x'), output: values('a', 'b', 'c'), node }))
    expect([...graph.nodes].map(({ name }) => name)).toEqual(['same', 'same', ''])
    lint(graph)
  })

  it('counts users in nested graphs, and nested graphs that output a value', () => {
    const bytes = modelBytes({
      input: values('x', 'c'),
      output: values('y'),
      node: [
        nodeProto('Relu', ['x'], ['r']),
        nodeProto('If', ['c'], ['y'], {
          attribute: [
            { name: 'then_branch', type: 5, g: { node: [nodeProto('Neg', ['r'], ['n'])], output: values('n') } },
            { name: 'else_branch', type: 5, g: { output: values('r') } },
          ],
        }),
      ],
    })
    const [relu, branch] = decode(bytes).graph.nodes
    expect([...(relu?.output.users ?? [])].map(({ op }) => op)).toEqual(['Neg'])
    expect([...(relu?.output.outputOf ?? [])]).toEqual([branch?.subgraphs[1]])
    expect(branch?.subgraphs.map(({ parent }) => parent)).toEqual([branch?.graph, branch?.graph])
  })

  it('lets a nested graph have a value of an outer name: the inner one counts inside', () => {
    const inner = { node: [nodeProto('Neg', ['x'], ['r']), nodeProto('Abs', ['r'], ['n'])], output: values('n') }
    const bytes = modelBytes({
      input: values('x'),
      output: values('y', 'r'),
      node: [
        nodeProto('Relu', ['x'], ['r']),
        nodeProto('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', type: 5, g: inner }] }),
      ],
    })
    const [relu, branch] = decode(bytes).graph.nodes
    const [neg, abs] = branch?.subgraphs[0]?.nodes ?? []
    expect(abs?.inputs[0]).toBe(neg?.output)
    expect(relu?.output.users.size).toBe(0)
  })

  it('tells default values of inputs, which a caller may override, from constants', () => {
    for (const irVersion of [3, 8]) {
      const graph = {
        input: values('x', 'd'),
        output: values('y'),
        initializer: [floats('d', [1], [1]), floats('w', [1], [2])],
      }
      const node = [nodeProto('Sum', ['x', 'd', 'w'], ['y'])]
      const [sum] = decode(modelBytes({ ...graph, node }, { irVersion })).graph.nodes
      expect(sum?.inputs.map((value) => value?.constant?.scalar)).toEqual([undefined, undefined, 2])
      expect(sum?.inputs.map((value) => value?.initializer?.scalar)).toEqual([undefined, 1, 2])
    }
  })

  it('reads types: element type, sizes, symbolic sizes, unknown sizes, unknown rank, sequences', () => {
    const dim = [{ dimValue: 2 }, { dimParam: 'n' }, {}, { dimValue: -1 }]
    const input = [
      { name: 'a', type: { tensorType: { elemType: 10, shape: { dim } } } },
      { name: 'b', type: { tensorType: { elemType: 7 } } },
      { name: 'c', type: { tensorType: { elemType: 1, shape: {} } } },
      { name: 'd', type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } },
      { name: 'e' },
    ]
    const [a, b, c, d, e] = decode(modelBytes({ input, output: values('a') })).graph.inputs
    expect(a?.type).toEqual({ kind: 'tensor', elementType: 'float16', shape: [2, 'n', undefined, undefined] })
    expect(b?.type).toEqual({ kind: 'tensor', elementType: 'int64', shape: undefined })
    expect(c?.shape).toEqual([])
    expect(d?.type?.kind).toBe('opaque')
    expect(e?.type).toBeUndefined()
  })

  it('leaves weights where they are, in initializers, constants and nested graphs', () => {
    const raw = (name: string) => ({
      name,
      dims: [4],
      dataType: 1,
      rawData: Uint8Array.from({ length: 16 }, (_, index) => index),
    })
    const constant = nodeProto('Constant', [], ['k'], { attribute: [{ name: 'value', type: 4, t: raw('t') }] })
    const inner = {
      initializer: [raw('v')],
      node: [constant, nodeProto('Add', ['v', 'k'], ['n'])],
      output: values('n'),
    }
    const bytes = modelBytes({
      input: values('x'),
      output: values('y', 'w'),
      initializer: [raw('w')],
      node: [nodeProto('If', ['x'], ['y'], { attribute: [{ name: 'then_branch', type: 5, g: inner }] })],
    })
    // A Buffer is a view into a pool: nothing may take its whole ArrayBuffer for the file.
    for (const file of [bytes, Buffer.from(bytes)]) {
      const { graph } = decode(file)
      const tensors = [...graph.initializers, ...([...graph.nodes][0]?.subgraphs[0]?.initializers ?? [])].map(
        (value) => value.initializer,
      )
      for (const node of graph.walk()) if (node.is('Constant')) tensors.push(node.constantOutput)
      expect(tensors).toHaveLength(3)
      for (const tensor of tensors) {
        expect(tensor?.bytes.buffer).toBe(file.buffer)
        expect(tensor?.bytes).toEqual(Uint8Array.from({ length: 16 }, (_, index) => index))
        expect(Buffer.isBuffer(tensor?.bytes)).toBe(false)
      }
    }
  })

  it('reads the rich model', () => {
    const model = decode(rich())
    lint(model.graph)
    expect(one(model)).toEqual(['Mul', 'Constant', 'If', 'Add', 'Reshape'])
  })
})
