import { describe, expect, it } from 'vitest'
import { findNode, operators } from '../../test/support/find.ts'
import {
  type FunctionProto,
  floats,
  type GraphProto,
  type ModelProto,
  modelBytes,
  nodeProto,
  values,
} from '../../test/support/model-proto.ts'
import { expectSameOutputs, Random, runModel } from '../../test/support/run-model.ts'
import { buildModel } from './builder.ts'
import { decode } from './decode.ts'
import { concatenate, encode } from './encode.ts'
import { inlineFunctions } from './inline-functions.ts'
import { lint } from './lint.ts'
import type { Model } from './model.ts'
import { Tensor } from './tensor.ts'

const domain = 'local'
const opsetImport = [
  { domain: '', version: 17 },
  { domain, version: 1 },
]

const define = (name: string, rest: FunctionProto): FunctionProto => ({ name, domain, opsetImport, ...rest })
const call = (name: string, input: string[], output: string[], rest = {}) =>
  nodeProto(name, input, output, { domain, name: `call_${name}`, ...rest })

const modelOf = (graph: GraphProto, functions: FunctionProto[], rest: ModelProto = {}): Uint8Array =>
  modelBytes({ input: values('x'), output: values('y'), ...graph }, { opsetImport, functions, ...rest })

/** Inlines, checks the graph, and compares with the runtime, which inlines in its own way. */
async function inlined(bytes: Uint8Array, feeds: Record<string, Tensor> = {}): Promise<Model> {
  const model = decode(bytes)
  inlineFunctions(model)
  lint(model.graph)
  const after = concatenate(encode(model).chunks)
  lint(decode(after).graph)
  await expectSameOutputs(bytes, after, { x: new Random(3).tensor([2, 3]), ...feeds })
  return model
}

/** A float attribute that the call names. */
const reference = (name: string, refAttrName: string, type = 1) => ({ name, refAttrName, type })

describe('a call becomes the body', () => {
  it('with its inputs, outputs and constants, each call with names of its own', async () => {
    const scaled = define('Scaled', {
      input: ['a', 'b'],
      output: ['out', 'negated'],
      node: [
        nodeProto('Constant', [], ['two'], { attribute: [{ name: 'value', type: 4, t: floats('', [], [2]) }] }),
        nodeProto('Mul', ['a', 'two'], ['product'], { name: 'multiply' }),
        nodeProto('Add', ['product', 'b'], ['out']),
        nodeProto('Neg', ['out'], ['negated']),
      ],
    })
    const node = [call('Scaled', ['x', 'x'], ['p', 'q'], { name: 'first' }), call('Scaled', ['p', 'q'], ['y', 'z'])]
    const model = await inlined(modelOf({ node, output: values('y', 'z') }, [scaled]))
    expect(operators(model)).toEqual(['Constant', 'Mul', 'Add', 'Neg', 'Constant', 'Mul', 'Add', 'Neg'])
    expect(model.graph.outputs.map(String)).toEqual(['y', 'z'])
    expect(findNode(model, 'Mul').name).toBe('first/multiply')
    expect(model.functions).toEqual([])
    expect(model.isChanged).toBe(true)
  })

  it('within a body, however deep', async () => {
    const square = define('Square', { input: ['a'], output: ['b'], node: [nodeProto('Mul', ['a', 'a'], ['b'])] })
    const fourth = define('Fourth', {
      input: ['a'],
      output: ['c'],
      node: [call('Square', ['a'], ['b'], { name: 'once' }), call('Square', ['b'], ['c'], { name: 'twice' })],
    })
    const node = [call('Fourth', ['x'], ['h']), call('Square', ['h'], ['y'])]
    const model = await inlined(modelOf({ node }, [fourth, square]))
    expect(operators(model)).toEqual(['Mul', 'Mul', 'Mul'])
  })

  it('in nested graphs of the model, and of a body that captures its own values', async () => {
    const branch = (op: string) => ({
      name: op,
      node: [nodeProto(op, ['t', 'a'], ['inner']), call('Double', ['inner'], ['result'])],
      output: values('result'),
    })
    const either = define('Either', {
      input: ['a', 'condition'],
      output: ['out'],
      node: [
        nodeProto('Exp', ['a'], ['t']),
        nodeProto('If', ['condition'], ['out'], {
          attribute: [
            { name: 'then_branch', type: 5, g: branch('Add') },
            { name: 'else_branch', type: 5, g: branch('Sub') },
          ],
        }),
      ],
    })
    const double = define('Double', { input: ['a'], output: ['out'], node: [nodeProto('Add', ['a', 'a'], ['out'])] })
    // The model has values of the body's names: captures must not find those.
    const node = [
      nodeProto('Relu', ['x'], ['t']),
      nodeProto('Neg', ['t'], ['a']),
      call('Either', ['a', 'c'], ['e']),
      nodeProto('Add', ['e', 't'], ['y']),
    ]
    const c = { name: 'c', type: { tensorType: { elemType: 9, shape: {} } } }
    const bytes = modelOf({ node, input: [...values('x'), c] }, [either, double])
    for (const condition of [0, 1]) {
      const model = await inlined(bytes, { c: Tensor.fromNumbers('bool', [], [condition]) })
      expect(operators(model)).toEqual(['Relu', 'Neg', 'Exp', 'If', 'Add', 'Add', 'Sub', 'Add', 'Add'])
    }
  })

  it('with names that the model has already', async () => {
    const f = define('F', {
      input: ['x'],
      output: ['y'],
      node: [nodeProto('Exp', ['x'], ['t'], { name: 'n' }), nodeProto('Neg', ['t'], ['y'], { name: 'm' })],
    })
    const node = [
      nodeProto('Relu', ['x'], ['t'], { name: 'n' }),
      call('F', ['t'], ['u']),
      nodeProto('Add', ['t', 'u'], ['y']),
    ]
    const model = await inlined(modelOf({ node }, [f]))
    expect(operators(model)).toEqual(['Relu', 'Exp', 'Neg', 'Add'])
  })

  it('whose inner names in nested graphs hide the body’s', async () => {
    // Inside the branch, t is the branch's own.
    const branch = { node: [nodeProto('Neg', ['a'], ['t']), nodeProto('Exp', ['t'], ['r'])], output: values('r') }
    const attribute = ['then_branch', 'else_branch'].map((name) => ({ name, type: 5, g: { name, ...branch } }))
    const f = define('F', {
      input: ['a', 'condition'],
      output: ['out'],
      node: [
        nodeProto('Abs', ['a'], ['t']),
        nodeProto('If', ['condition'], ['i'], { attribute }),
        nodeProto('Add', ['i', 't'], ['out']),
      ],
    })
    const c = { name: 'c', type: { tensorType: { elemType: 9, shape: {} } } }
    const bytes = modelOf({ node: [call('F', ['x', 'c'], ['y'])], input: [...values('x'), c] }, [f])
    const model = decode(bytes)
    inlineFunctions(model)
    lint(model.graph)
    expect(operators(model)).toEqual(['Abs', 'If', 'Neg', 'Exp', 'Neg', 'Exp', 'Add'])
    // The runtime's own inlining refuses this function: the definition says what it computes.
    const feeds = { x: Tensor.fromNumbers('float32', [1], [2]), c: Tensor.fromNumbers('bool', [], [1]) }
    const { y } = await runModel(concatenate(encode(model).chunks), feeds)
    expect(y?.scalar).toBeCloseTo(Math.exp(-2) + 2, 6)
  })

  it('whose nodes are in any order', async () => {
    const f = define('F', {
      input: ['a'],
      output: ['c'],
      node: [nodeProto('Exp', ['b'], ['c']), nodeProto('Neg', ['a'], ['b'])],
    })
    const model = decode(modelOf({ node: [call('F', ['x'], ['y'])] }, [f]))
    inlineFunctions(model)
    lint(model.graph)
    expect(operators(model)).toEqual(['Neg', 'Exp'])
  })

  it('of the overload that the call names', async () => {
    const overloads = ['', 'other'].map((overload) =>
      define('F', {
        overload,
        input: ['a'],
        output: ['b'],
        node: [nodeProto(overload === '' ? 'Exp' : 'Neg', ['a'], ['b'])],
      }),
    )
    const model = decode(
      modelOf({ node: [call('F', ['x'], ['m'], { overload: 'other' }), call('F', ['m'], ['y'])] }, overloads),
    )
    expect(inlineFunctions(model)).toBe(2)
    expect(operators(model)).toEqual(['Neg', 'Exp'])
  })
})

describe('attributes', () => {
  const leaky = (rest: FunctionProto = {}) =>
    define('Leaky', {
      input: ['a'],
      output: ['b'],
      node: [nodeProto('LeakyRelu', ['a'], ['b'], { attribute: [reference('alpha', 'slope')] })],
      ...rest,
    })
  const alphaOf = async (
    functions: FunctionProto[],
    attribute: { name: string; type: number; f: number }[],
    name = 'Leaky',
  ) => {
    const model = await inlined(modelOf({ node: [call(name, ['x'], ['y'], { attribute })] }, functions))
    return findNode(model, 'LeakyRelu').attributes.get('alpha')?.float
  }

  it('are what the call gives', async () => {
    expect(await alphaOf([leaky({ attribute: ['slope'] })], [{ name: 'slope', type: 1, f: 0.5 }])).toBe(0.5)
  })

  it('are left to the operator’s default where the call gives none', async () => {
    expect(await alphaOf([leaky({ attribute: ['slope'] })], [])).toBeUndefined()
  })

  it('have the function’s own default, which the call may replace', async () => {
    const attributeProto = [{ name: 'slope', type: 1, f: 0.25 }]
    expect(await alphaOf([leaky({ attributeProto })], [])).toBe(0.25)
    expect(await alphaOf([leaky({ attributeProto })], [{ name: 'slope', type: 1, f: 0.5 }])).toBe(0.5)
  })

  it('reach through a function that calls another, and into nested graphs', async () => {
    const attributeProto = [{ name: 'outer', type: 1, f: 0.125 }]
    const branch = {
      node: [call('Leaky', ['a'], ['r'], { attribute: [reference('slope', 'outer')] })],
      output: values('r'),
    }
    const attribute = ['then_branch', 'else_branch'].map((name) => ({ name, type: 5, g: { name, ...branch } }))
    const yes = nodeProto('Constant', [], ['yes'], {
      attribute: [{ name: 'value', type: 4, t: { dims: [], dataType: 9, int32Data: [1] } }],
    })
    const outer = define('Outer', {
      input: ['a'],
      output: ['b'],
      attributeProto,
      node: [yes, nodeProto('If', ['yes'], ['b'], { attribute })],
    })
    expect(await alphaOf([outer, leaky({ attribute: ['slope'] })], [], 'Outer')).toBe(0.125)
  })

  it('may be tensors, of a file or of a model that was built', () => {
    const f = define('F', {
      output: ['k'],
      attribute: ['data'],
      node: [nodeProto('Constant', [], ['k'], { attribute: [reference('value', 'data', 4)] })],
    })
    const built = buildModel(
      (g) => g.output('y', g.op('F', [], { data: Tensor.fromNumbers('float32', [2], [1, 2]) }, { domain })),
      { opsets: { [domain]: 1 } },
    )
    built.functions = [f]
    for (const model of [built, decode(concatenate(encode(built).chunks))]) {
      inlineFunctions(model)
      expect(findNode(model, 'Constant').constantOutput?.toNumbers()).toEqual(Float64Array.of(1, 2))
    }
  })
})

describe('inputs', () => {
  const clip = define('Clip2', {
    input: ['a', 'low', 'high'],
    output: ['b'],
    node: [nodeProto('Clip', ['a', 'low', 'high'], ['b'])],
  })
  const one = [floats('one', [], [0.5])]

  it('that the call leaves out are left out in the body', async () => {
    const model = await inlined(modelOf({ initializer: one, node: [call('Clip2', ['x', '', 'one'], ['y'])] }, [clip]))
    expect(findNode(model, 'Clip').inputs.map((value) => value?.name)).toEqual(['x', undefined, 'one'])
    const shorter = await inlined(modelOf({ node: [call('Clip2', ['x'], ['y'])] }, [clip]))
    expect(findNode(shorter, 'Clip').inputs.map((value) => value?.name)).toEqual(['x'])
  })

  it('that the call leaves out are left out in nested graphs of the body', () => {
    const branch = { node: [nodeProto('Clip', ['a', 'low'], ['r'])], output: values('r') }
    const attribute = ['then_branch', 'else_branch'].map((name) => ({ name, type: 5, g: { name, ...branch } }))
    const f = define('F', {
      input: ['a', 'condition', 'low'],
      output: ['b'],
      node: [nodeProto('If', ['condition'], ['b'], { attribute })],
    })
    const model = decode(modelOf({ input: values('x', 'c'), node: [call('F', ['x', 'c'], ['y'])] }, [f]))
    inlineFunctions(model)
    lint(model.graph)
    expect(findNode(model, 'Clip').inputs.map((value) => value?.name)).toEqual(['x'])
  })

  it('handed straight to an output need a node only where a graph output takes its name', async () => {
    const sum = nodeProto('Add', ['a', 'b'], ['s'])
    const pass = define('Pass', { input: ['a', 'b'], output: ['b', 'a', 's'], node: [sum] })
    const outer = {
      input: values('x', 'w'),
      output: values('y', 'z', 's'),
      node: [call('Pass', ['x', 'w'], ['y', 'z', 's'])],
    }
    // The runtime's own inlining refuses this function: the definition says what it computes.
    const model = decode(modelOf(outer, [pass]))
    inlineFunctions(model)
    lint(model.graph)
    expect(operators(model).sort()).toEqual(['Add', 'Identity', 'Identity'])
    const [x, w] = [Tensor.fromNumbers('float32', [1], [1]), Tensor.fromNumbers('float32', [1], [2])]
    const { y, z, s } = await runModel(concatenate(encode(model).chunks), { x, w })
    expect([y?.scalar, z?.scalar, s?.scalar]).toEqual([2, 1, 3])

    const inside = decode(modelOf({ node: [call('Pass', ['x', 'x'], ['m']), nodeProto('Relu', ['m'], ['y'])] }, [pass]))
    inlineFunctions(inside)
    lint(inside.graph)
    expect(operators(inside)).toEqual(['Add', 'Relu'])
  })

  it('may make one value two outputs of the graph', async () => {
    const twice = define('Twice', {
      input: ['a'],
      output: ['b', 'c'],
      node: [nodeProto('Exp', ['a'], ['b']), nodeProto('Identity', ['b'], ['c'])],
    })
    const model = await inlined(
      modelOf({ output: values('y', 'z'), node: [call('Twice', ['x'], ['y', 'z'])] }, [twice]),
    )
    expect(model.graph.outputs.map(String)).toEqual(['y', 'z'])
  })

  it('and outputs that nobody wants go', async () => {
    const two = define('Two', {
      input: ['a'],
      output: ['b', 'c'],
      node: [nodeProto('Exp', ['a'], ['b']), nodeProto('Neg', ['a'], ['c'])],
    })
    const model = await inlined(modelOf({ node: [call('Two', ['x'], ['', 'y'])] }, [two]))
    expect(findNode(model, 'Neg').output.name).toBe('y')
  })
})

it('a call that is given a graph stays: the graph captures by name what a body does not see', () => {
  const f = define('F', {
    input: ['a'],
    output: ['b'],
    attribute: ['body'],
    node: [nodeProto('If', ['a'], ['b'], { attribute: [reference('then_branch', 'body', 5)] })],
  })
  const g = { node: [nodeProto('Neg', ['x'], ['n'])], output: values('n') }
  const bytes = modelOf({ node: [call('F', ['x'], ['y'], { attribute: [{ name: 'body', type: 5, g }] })] }, [f])
  const model = decode(bytes)
  expect(inlineFunctions(model)).toBe(0)
  expect(encode(model).chunks).toEqual([bytes])
})

describe('operator sets', () => {
  const f = (imports: { domain: string; version: number }[], rest: FunctionProto = {}) =>
    define('F', { input: ['a'], output: ['b'], node: [nodeProto('Relu', ['a'], ['b'])], opsetImport: imports, ...rest })
  const node = [call('F', ['x'], ['y'])]

  it('in another version than the model’s keep the call, its definition, and those it calls', () => {
    const inner = define('G', { input: ['a'], output: ['b'], node: [nodeProto('Exp', ['a'], ['b'])] })
    const outer = f([{ domain: '', version: 13 }], { node: [call('G', ['a'], ['b'])] })
    const unused = define('H', { input: ['a'], output: ['b'], node: [nodeProto('Exp', ['a'], ['b'])] })
    const bytes = modelOf({ node: [...node, call('G', ['y'], ['z'])], output: values('z') }, [outer, inner, unused])
    const model = decode(bytes)
    expect(inlineFunctions(model)).toBe(1)
    expect(operators(model)).toEqual(['local::F', 'Exp'])
    expect(model.functions.map(({ name }) => name)).toEqual(['F', 'G'])
  })

  it('that only the function imports are imported', () => {
    const contrib = f(
      [
        { domain: '', version: 17 },
        { domain: 'com.microsoft', version: 1 },
      ],
      { node: [nodeProto('Gelu', ['a'], ['b'], { domain: 'com.microsoft' })] },
    )
    const model = decode(modelOf({ node }, [contrib]))
    expect(inlineFunctions(model)).toBe(1)
    expect(model.opsets.get('com.microsoft')).toBe(1)
    expect(findNode(model, 'Gelu').opset).toBe(1)
  })

  it('named in full are the standard’s', () => {
    const model = decode(modelOf({ node }, [f([{ domain: 'ai.onnx', version: 17 }])]))
    expect(inlineFunctions(model)).toBe(1)
  })
})

it('a model without calls stays as it was; definitions that nothing calls go', () => {
  const without = decode(modelBytes({ input: values('x'), output: values('x') }))
  expect(inlineFunctions(without)).toBe(0)
  expect(without.isChanged).toBe(false)
  const unused = decode(
    modelOf({ node: [nodeProto('Relu', ['x'], ['y'])] }, [define('F', { input: ['a'], output: ['a'] })]),
  )
  expect(inlineFunctions(unused)).toBe(0)
  expect([unused.functions, unused.isChanged]).toEqual([[], true])
})

it.each([
  ['itself', [define('F', { input: ['a'], output: ['b'], node: [call('F', ['a'], ['b'])] })]],
  [
    'itself by way of another',
    [
      define('F', { input: ['a'], output: ['b'], node: [call('G', ['a'], ['b'])] }),
      define('G', { input: ['a'], output: ['b'], node: [call('F', ['a'], ['b'])] }),
    ],
  ],
  [
    'itself from a nested graph',
    [
      define('F', {
        input: ['a'],
        output: ['b'],
        node: [
          nodeProto('If', ['a'], ['b'], {
            attribute: [{ name: 'then_branch', type: 5, g: { node: [call('F', ['a'], ['r'])], output: values('r') } }],
          }),
        ],
      }),
    ],
  ],
])('a function that calls %s is refused', (_, functions) => {
  const model = decode(modelOf({ node: [call('F', ['x'], ['y'])] }, functions))
  expect(() => inlineFunctions(model)).toThrow(
    expect.objectContaining({ code: 'unsupported-function', message: expect.stringContaining('local::F') }),
  )
})

it.each([
  ['uses what nothing computes', [nodeProto('Relu', ['gone'], ['b'], { name: 'n' })]],
  ['does not compute its output', [nodeProto('Relu', ['a'], ['c'], { name: 'n' })]],
])('a function that %s is refused, and the call named', (_, node) => {
  const model = decode(
    modelOf({ node: [call('F', ['x'], ['y'])] }, [define('F', { input: ['a'], output: ['b'], node })]),
  )
  expect(() => inlineFunctions(model)).toThrow(
    expect.objectContaining({ code: 'dangling-name', message: expect.stringContaining('call_F') }),
  )
})
