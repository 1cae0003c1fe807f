import { describe, expect, it } from 'vitest'
import {
  expectLeftAlone,
  normalize,
  type Parts,
  type Producer,
  produce,
  producers,
} from '../../../test/support/batch-norm.ts'
import { findNode, findValue, operators } from '../../../test/support/find.ts'
import { fuseAndCompare, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  decode,
  type ElementType,
  encode,
  type GraphBuilder,
  lint,
  type Node,
  Tensor,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'
import { batchNormAffine, epsilonOf } from './channel-affine.ts'

const random = new Random(7)
const floats = (...numbers: number[]): Tensor => Tensor.fromNumbers('float32', [numbers.length], numbers)

/** x → producer → batch norm → y */
const chain =
  (producer: Producer, parts: { producer?: Parts; norm?: Parts; type?: ElementType } = {}) =>
  (g: GraphBuilder): void => {
    const { type = 'float32' } = parts
    const value = produce(g, producer, g.input('x', type, producer.input), { type, ...parts.producer })
    g.output('y', normalize(g, value, producer.channels, { type, ...parts.norm }))
  }

describe.each(producers)('a batch norm after $op', (producer) => {
  const { fusion, fusedOp, channels, weight } = producer
  const only = [fusion]

  describe('folds into it', () => {
    it('with the same output, names kept, its parameters gone', async () => {
      const { model, report, ops } = await fuseGraph(chain(producer), { only })
      expect(ops).toEqual([fusedOp])
      expect(report).toMatchObject({ nodes: { before: 2, after: 1 }, fusions: { [fusion]: 1 }, nearMisses: [] })
      expect(report.steps).toEqual([{ fusion, node: 'norm' }])
      expect(findNode(model, fusedOp).name).toBe('producer')
      expect(model.graph.inputs.map(String)).toEqual(['x'])
      expect(model.graph.outputs.map(String)).toEqual(['y'])
      expect(model.graph.initializers.size).toBe(2)
    })

    it.each([1e-5, 0, 0.5])('with ε = %d inside the root', async (epsilon) => {
      const norm = { attributes: { epsilon } }
      expect((await fuseGraph(chain(producer, { norm }), { only })).ops).toEqual([fusedOp])
    })

    it('with no epsilon given, which is 1e-5: seen where σ² is 0', async () => {
      const norm = { parameters: [undefined, undefined, undefined, floats(0, 0, 1e-5, 0)] }
      expect((await fuseGraph(chain(producer, { norm }), { only, tolerance: 1e-4 })).ops).toEqual([fusedOp])
    })

    it('with a variance below 0, while σ² + ε is above it', async () => {
      const norm = {
        parameters: [undefined, undefined, undefined, floats(-0.1, 1, 1, 1)],
        attributes: { epsilon: 0.5 },
      }
      expect((await fuseGraph(chain(producer, { norm }), { only })).ops).toEqual([fusedOp])
    })

    it.each([9, 13, 14, 15, 17, 20])('in opset %d, whether training_mode = 0 is written or not', async (opset) => {
      for (const attributes of opset >= 14 ? [{}, { training_mode: 0 }] : [{}]) {
        expect((await fuseGraph(chain(producer, { norm: { attributes } }), { only, opset })).ops).toEqual([fusedOp])
      }
    })

    it('with constants in Constant nodes, which go', async () => {
      const build = (g: GraphBuilder): void => {
        const constant = (tensor: Tensor): Value => g.op('Constant', [], { value: tensor })
        const x = g.input('x', 'float32', producer.input)
        const value = produce(g, producer, x, { weight: constant(random.tensor(weight)) })
        const parameters = [1, 2, 3, 4].map(() => constant(random.tensor([channels], 'float32', [0.5, 2])))
        g.output('y', normalize(g, value, channels, { parameters }))
      }
      expect((await fuseGraph(build, { only })).ops).toEqual([fusedOp])
    })

    it('twice in a row', async () => {
      const build = (g: GraphBuilder): void => {
        const first = normalize(g, produce(g, producer, g.input('x', 'float32', producer.input)), channels)
        g.output('y', normalize(g, first, channels, { name: 'second' }))
      }
      // A MatMul has become a Gemm by then.
      const gemm = fusion === 'matmul-batch-norm' ? ['gemm-batch-norm'] : []
      expect((await fuseGraph(build, { only: [...only, ...gemm] })).ops).toEqual([fusedOp])
    })

    it('in float16, within its precision', async () => {
      expect((await fuseGraph(chain(producer, { type: 'float16' }), { only, tolerance: 3e-3 })).ops).toEqual([fusedOp])
    })

    it.each<ElementType>(['float64', 'float16', 'bfloat16'])('in %s, computed in float64 and rounded once', (type) => {
      const source = buildModel(chain(producer, { type }))
      const before = numbersOf(findNode(source, producer.op))
      const norm = findNode(source, 'norm')
        .inputs.slice(1)
        .map((value) => value?.constant?.toNumbers() ?? [])
      const { model } = fuse(source, { only })
      const fused = findNode(model, fusedOp)
      expect(fused.inputs.slice(1).map((value) => value?.elementType)).toEqual([type, type])
      const after = numbersOf(fused)
      for (let c = 0; c < channels; c++) {
        const [γ = 0, β = 0, μ = 0, σ2 = 0] = norm.map((vector) => vector[c])
        const s = γ / Math.sqrt(σ2 + 1e-5)
        const expected = [...channel(before.weight, producer, c)].map((w) => w * s)
        expect([...channel(after.weight, producer, c)]).toEqual([...rounded(type, expected)])
        expect([after.bias[c]]).toEqual([...rounded(type, [(before.bias[c] ?? 0) * s + (β - μ * s)])])
      }
    })

    it.each([15, 17])('in opset %d with parameters of another float type than the data', async (opset) => {
      // From opset 15 on, scale and statistics have types of their own.
      const mixed = chain(producer, { type: 'float16', norm: { type: 'float32' } })
      const { model, ops } = await fuseGraph(mixed, { only, opset, tolerance: 3e-3 })
      expect(ops).toEqual([fusedOp])
      expect(
        findNode(model, fusedOp)
          .inputs.slice(1)
          .map((value) => value?.elementType),
      ).toEqual(['float16', 'float16'])
    })

    it('inside a nested graph, with constants of the outer one', async () => {
      const build = (g: GraphBuilder): void => {
        const x = g.input('x', 'float32', producer.input)
        const w = g.constant(random.tensor(weight), { name: 'w' })
        const branch = () =>
          g.subgraph((b) => b.output('b', normalize(b, produce(b, producer, x, { weight: w }), channels)))
        const condition = g.input('c', 'bool', [])
        g.output('y', g.op('If', [condition], { then_branch: branch(), else_branch: branch() }))
      }
      for (const condition of [0, 1]) {
        const feeds = { x: random.tensor(producer.input), c: Tensor.fromNumbers('bool', [], [condition]) }
        const { model } = await fuseAndCompare(buildModel(build), { only, feeds })
        expect(operators(model)).toEqual(['If', fusedOp, fusedOp])
      }
    })

    it('where another node uses the weight too: each has its own, and the old one stays only as long as it is used', async () => {
      const build =
        (normalized: number) =>
        (g: GraphBuilder): void => {
          const x = g.input('x', 'float32', producer.input)
          const w = g.constant(random.tensor(weight), { name: 'w' })
          for (const index of [0, 1]) {
            const value = produce(g, producer, x, { weight: w, name: `producer${index}` })
            g.output(`y${index}`, index < normalized ? normalize(g, value, channels, { name: `norm${index}` }) : value)
          }
        }
      const one = await fuseGraph(build(1), { only })
      expect(one.ops).toEqual([fusedOp, producer.op])
      expect(findNode(one.model, 'producer1').inputs[1]?.name).toBe('w')
      const both = await fuseGraph(build(2), { only })
      expect(both.ops).toEqual([fusedOp, fusedOp])
      expect([...both.model.graph.initializers].map(String)).not.toContain('w')
    })

    it('where a nested graph has values of the names that it would give out', async () => {
      const build = (g: GraphBuilder): void => {
        const x = g.input('x', 'float32', producer.input)
        const value = normalize(g, produce(g, producer, x), channels)
        const branch = () =>
          g.subgraph((b) => {
            const inner = b.graph.addInitializer('constant_100', Tensor.fromNumbers('float32', [], [2]))
            b.output('n', b.op('Mul', [value, b.op('Neg', [inner], {}, { outputs: ['constant'] })]))
          })
        g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(), else_branch: branch() }))
      }
      const feeds = { x: random.tensor(producer.input), c: Tensor.fromNumbers('bool', [], [1]) }
      const { model } = await fuseAndCompare(buildModel(build), { only, feeds })
      expect(operators(model)).toEqual([fusedOp, 'If', 'Neg', 'Mul', 'Neg', 'Mul'])
    })

    it('where the data come from a quantiser and go to one', async () => {
      const build = (g: GraphBuilder): void => {
        const scale = g.constant(0.02)
        const zero = g.constant(Tensor.fromNumbers('uint8', [], [128]))
        const x = g.op('QuantizeLinear', [g.input('x', 'float32', producer.input), scale, zero])
        const value = normalize(g, produce(g, producer, g.op('DequantizeLinear', [x, scale, zero])), channels)
        g.output('y', g.op('DequantizeLinear', [g.op('QuantizeLinear', [value, scale, zero]), scale, zero]))
      }
      const { ops } = await fuseGraph(build, { only, tolerance: 0.03 })
      expect(ops).toEqual(['QuantizeLinear', 'DequantizeLinear', fusedOp, 'QuantizeLinear', 'DequantizeLinear'])
    })
  })

  describe('is left alone, and the report says why,', () => {
    const leftAlone = (
      build: (g: GraphBuilder, x: Value) => void,
      reason: RegExp | undefined,
      options: Parameters<typeof expectLeftAlone>[3] = {},
    ) => expectLeftAlone(fusion, (g) => build(g, g.input('x', 'float32', producer.input)), reason, options)

    it('when another node uses the value between', () =>
      leftAlone((g, x) => {
        const value = produce(g, producer, x)
        g.output('y', normalize(g, value, channels))
        g.output('z', g.op('Relu', [value], {}, { name: 'relu' }))
      }, /has 2 users: norm, relu/))

    it('when the value between is an output', () =>
      leftAlone((g, x) => {
        const value = produce(g, producer, x)
        g.output('y', normalize(g, value, channels))
        g.output('z', value)
      }, /"z" is an output of its graph/))

    it('when a nested graph captures the value between', () =>
      leftAlone(
        (g, x) => {
          const value = produce(g, producer, x)
          const branch = () => g.subgraph((b) => b.output('b', b.op('Neg', [value], {}, { name: 'inner' })))
          g.output('z', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(), else_branch: branch() }))
          g.output('y', normalize(g, value, channels))
        },
        /has 3 users: .*inner/,
        { feeds: { x: random.tensor(producer.input), c: Tensor.fromNumbers('bool', [], [1]) } },
      ))

    it('when a nested graph outputs the value between', () =>
      leftAlone(
        (g, x) => {
          const value = produce(g, producer, x)
          const branch = () => g.subgraph((b) => b.graph.addOutput(value))
          g.output('z', g.op('If', [g.input('c', 'bool', [])], { then_branch: branch(), else_branch: branch() }))
          g.output('y', normalize(g, value, channels))
        },
        /is an output of its graph/,
        { run: false },
      ))

    it('when it is in a nested graph and captures the value: that runs more often', () =>
      leftAlone(
        (g, x) => {
          const value = produce(g, producer, x)
          const then_branch = g.subgraph((b) => b.output('a', normalize(b, value, channels)))
          const else_branch = g.subgraph((b) => b.output('b', b.op('Neg', [x])))
          g.output('y', g.op('If', [g.input('c', 'bool', [])], { then_branch, else_branch }))
        },
        /captured by a nested graph/,
        { feeds: { x: random.tensor(producer.input), c: Tensor.fromNumbers('bool', [], [1]) } },
      ))

    const names = ['weight', ...(producer.hasBias ? ['bias'] : []), 'γ', 'β', 'μ', 'σ2']
    const dimsOf = (name: string): number[] => (name === 'weight' ? weight : [channels])

    /** The chain with one of its operands replaced. */
    const withOperand = (g: GraphBuilder, x: Value, name: string, operand: Value): void => {
      const value = produce(g, producer, x, name === 'weight' || name === 'bias' ? { [name]: operand } : {})
      const parameters = ['γ', 'β', 'μ', 'σ2'].map((parameter) => (parameter === name ? operand : undefined))
      g.output('y', normalize(g, value, channels, { parameters }))
    }

    const positive = (name: string): Tensor => random.tensor(dimsOf(name), 'float32', [0.5, 2])

    it.each(names)('when %s is a graph input', (name) =>
      leftAlone(
        (g, x) => withOperand(g, x, name, g.input('p', 'float32', dimsOf(name))),
        /"p" is a graph input, not a constant/,
        { feeds: { x: random.tensor(producer.input), p: positive(name) } },
      ),
    )

    it.each(names)('when %s has a default that a caller may override', async (name) => {
      for (const irVersion of [3, 8]) {
        await leftAlone(
          (g, x) => {
            const input = g.input('p', 'float32', dimsOf(name))
            g.graph.setDefault(input, positive(name))
            withOperand(g, x, name, input)
          },
          /"p" is an initializer that is also a graph input, so a caller may override it/,
          { irVersion, opset: 9 },
        )
      }
    })

    it.each(names)('when %s is computed', (name) =>
      leftAlone(
        (g, x) =>
          withOperand(g, x, name, g.op('Abs', [g.input('p', 'float32', dimsOf(name))], {}, { outputs: ['p_abs'] })),
        /"p_abs" is computed, not a constant/,
        { feeds: { x: random.tensor(producer.input), p: positive(name) } },
      ),
    )

    it('when the weight is quantised', () =>
      leftAlone((g, x) => {
        const quantised = Tensor.fromNumbers('int8', weight, random.tensor(weight, 'float32', [-100, 100]).toNumbers())
        withOperand(g, x, 'weight', g.op('DequantizeLinear', [g.constant(quantised), 0.02], {}, { outputs: ['dq'] }))
      }, /"dq" is computed, not a constant/))

    it('when a quantiser lies between', () =>
      leftAlone((g, x) => {
        const [scale, zero] = [g.constant(0.05), g.constant(Tensor.fromNumbers('uint8', [], [128]))]
        const quantised = g.op('QuantizeLinear', [produce(g, producer, x), scale, zero])
        g.output('y', normalize(g, g.op('DequantizeLinear', [quantised, scale, zero]), channels))
      }, undefined))

    it.each<[string, number[]]>([
      ['γ is NaN', [0, Number.NaN]],
      ['β is NaN', [1, Number.NaN]],
      ['μ is NaN', [2, Number.NaN]],
      ['σ² is NaN', [3, Number.NaN]],
      ['γ is infinite', [0, Number.POSITIVE_INFINITY]],
      ['β is infinite', [1, Number.NEGATIVE_INFINITY]],
      ['μ is infinite', [2, Number.POSITIVE_INFINITY]],
      ['σ² is infinite', [3, Number.POSITIVE_INFINITY]],
      ['σ² + ε is negative', [3, -1]],
      ['σ² + ε is zero', [3, -(2 ** -10)]],
    ])('when %s', (_, [place = 0, wrong = 0]) =>
      leftAlone((g, x) => {
        const parameters = [0, 1, 2, 3].map((index) => (index === place ? floats(1, wrong, 1, 1) : undefined))
        g.output(
          'y',
          normalize(g, produce(g, producer, x), channels, { parameters, attributes: { epsilon: 2 ** -10 } }),
        )
      }, /no finite scale and shift/),
    )

    it('when σ² + ε is zero under a γ of zero', () =>
      leftAlone((g, x) => {
        const parameters = [floats(1, 0, 1, 1), floats(0, 0, 0, 0), floats(0, 0, 0, 0), floats(1, 0, 1, 1)]
        g.output('y', normalize(g, produce(g, producer, x), channels, { parameters, attributes: { epsilon: 0 } }))
      }, /no finite scale and shift/))

    it('when W·s does not fit float16', () =>
      expectLeftAlone(
        fusion,
        chain(producer, {
          type: 'float16',
          producer: {
            weight: Tensor.fromNumbers('float16', weight, new Float64Array(random.tensor(weight).size).fill(1000)),
          },
          norm: { type: 'float32', parameters: [floats(100, 1, 1, 1), undefined, undefined, floats(1, 1, 1, 1)] },
        }),
        /do not fit float16/,
        { feeds: { x: random.tensor(producer.input, 'float16', [0, 1e-3]) }, tolerance: 1e-2 },
      ))

    it('when the new bias does not fit float16', () =>
      expectLeftAlone(
        fusion,
        chain(producer, {
          type: 'float16',
          norm: {
            type: 'float32',
            parameters: [floats(1, 1, 1, 1), floats(0, 70000, 0, 0), undefined, floats(1, 1, 1, 1)],
          },
        }),
        /do not fit float16/,
        { run: false },
      ))

    it.each([14, 15, 17])('in training mode (training_mode = 1, opset %d)', (opset) =>
      leftAlone(
        (g, x) => {
          // ONNX wants the running statistics as outputs then; a model without them must not be taken for inference either.
          g.output('y', normalize(g, produce(g, producer, x), channels, { attributes: { training_mode: 1 } }))
        },
        /in training mode \(training_mode = 1\)/,
        { opset, run: false },
      ),
    )

    it.each([9, 13, 17])('in training mode (statistics are outputs, opset %d)', (opset) =>
      leftAlone(
        (g, x) => {
          const parameters = [1, 2, 3, 4].map(() => g.constant(random.tensor([channels], 'float32', [0.5, 2])))
          const norm = g.node(
            'BatchNormalization',
            [produce(g, producer, x), ...parameters],
            {},
            { name: 'norm', outputs: 3 },
          )
          g.output('y', norm.output)
          for (const [index, output] of norm.outputs.slice(1).entries()) if (output) g.output(`s${index}`, output)
        },
        /in training mode \(it outputs statistics\)/,
        { opset, run: false },
      ),
    )

    it('in training mode (is_test = 0 or not written, opset 6)', async () => {
      for (const attributes of [{}, { is_test: 0 }]) {
        await leftAlone(
          (g, x) => {
            g.output('y', normalize(g, produce(g, producer, x), channels, { attributes }))
          },
          /in training mode \(is_test = 0\)/,
          { opset: 6, run: false },
        )
      }
    })

    it.each([6, 7, 8])('with statistics for every pixel (spatial = 0, opset %d)', (opset) =>
      leftAlone(
        (g, x) => {
          g.output('y', normalize(g, produce(g, producer, x), channels, { attributes: { spatial: 0, is_test: 1 } }))
        },
        /spatial = 0/,
        { opset, run: false },
      ),
    )

    it('with parameters of a length that is not the number of channels', () =>
      leftAlone(
        (g, x) => {
          const parameters = [1, 2, 3, 4].map(() => random.tensor([channels + 1], 'float32', [0.5, 2]))
          g.output('y', normalize(g, produce(g, producer, x), channels, { parameters }))
        },
        /5 channels do not fit/,
        { run: false },
      ))

    it('with parameters that have lengths or ranks of their own', async () => {
      for (const wrong of [[channels + 1], [1], [1, channels], []]) {
        await leftAlone(
          (g, x) => {
            const parameters = [undefined, undefined, random.tensor(wrong), undefined]
            g.output('y', normalize(g, produce(g, producer, x), channels, { parameters }))
          },
          /parameters have dims/,
          { run: false },
        )
      }
    })

    it('with a bias of another length', async () => {
      if (!producer.hasBias) return
      await leftAlone(
        (g, x) => {
          g.output('y', normalize(g, produce(g, producer, x, { bias: random.tensor([channels + 1]) }), channels))
        },
        /do(es)? not (fit|broadcast)/,
        { run: false },
      )
    })

    it('when the value is its scale and not its data', () =>
      leftAlone(
        (g, x) => {
          const parameters = [
            produce(g, producer, x),
            g.constant(floats(1, 1, 1, 1)),
            floats(1, 1, 1, 1),
            floats(1, 1, 1, 1),
          ]
          g.output('y', normalize(g, g.input('d', 'float32', [2, 4, 3, 3]), channels, { parameters }))
        },
        undefined,
        { run: false },
      ))

    it('when one of the two is an operator of another domain', async () => {
      for (const foreign of [0, 1]) {
        await leftAlone(
          (g, x) => {
            const domain = 'my.domain'
            const value = g.op(
              producer.op,
              [x, random.tensor(weight)],
              producer.attributes,
              foreign === 0 ? { domain } : {},
            )
            const parameters = [1, 2, 3, 4].map(() => random.tensor([channels], 'float32', [0.5, 2]))
            g.output('y', g.op('BatchNormalization', [value, ...parameters], {}, foreign === 1 ? { domain } : {}))
          },
          undefined,
          { run: false, opsets: { 'my.domain': 1 } },
        )
      }
    })
  })

  it('of opset 7 and 8 folds when spatial is 1 or not written', () => {
    for (const opset of [7, 8]) {
      for (const attributes of [{}, { spatial: 1 }]) {
        const { model } = fuse(buildModel(chain(producer, { norm: { attributes } }), { opset }), { only })
        expect(operators(model)).toEqual([fusedOp])
      }
    }
  })

  it('of opset 6 folds when is_test is 1, into convolutions: Gemm broadcast in another way then', () => {
    const model = buildModel(chain(producer, { norm: { attributes: { is_test: 1 } } }), { opset: 6 })
    const { model: fused, report } = fuse(model, { only })
    if (producer.op.startsWith('Conv')) expect(operators(fused)).toEqual([fusedOp])
    else expect(report.nearMisses[0]?.reason).toMatch(/before opset 7/)
  })

  it('keeps metadata, documentation and value infos of what survives', () => {
    const source = buildModel(chain(producer))
    const [original, norm] = source.graph.nodes
    if (!original || !norm) throw new Error('two nodes were built')
    const model = decode(concatenate(encode(source).chunks))
    const props = [{ key: 'namespace', value: 'layer1' }]
    Object.assign(model.proto, { metadataProps: props, docString: 'the model' })
    Object.assign(model.graph.proto, { metadataProps: props, docString: 'the graph' })
    Object.assign(findNode(model, 'producer').proto ?? {}, { metadataProps: props, docString: 'the node' })
    Object.assign(findValue(model, 'y').info ?? {}, { metadataProps: props, docString: 'the output' })
    const read = decode(concatenate(encode(fuse(model, { only }).model).chunks))
    lint(read.graph)
    for (const [proto, docString] of [
      [read.proto, 'the model'],
      [read.graph.proto, 'the graph'],
      [findNode(read, 'producer').proto, 'the node'],
      [findValue(read, 'y').info, 'the output'],
    ] as const) {
      expect(proto?.docString).toBe(docString)
      expect(proto?.metadataProps?.map(({ key, value }) => [key, value])).toEqual([['namespace', 'layer1']])
    }
  })

  it('folds whether the weights are raw, in typed fields, or outside the file', () => {
    const built = buildModel(chain(producer))
    const expected = numbersOf(findNode(fuse(built, { only }).model, fusedOp))
    const { chunks, externalChunks = [] } = encode(built, { externalLocation: 'w.bin' })
    const external = concatenate(externalChunks)
    const readExternalData = ({ offset, length }: { offset: number; length: number }) =>
      external.subarray(offset, offset + length)
    const typed = decode(concatenate(encode(built).chunks))
    for (const value of typed.graph.initializers) {
      const { initializer } = value
      if (initializer === undefined) continue
      const proto = { dims: [...initializer.dims], dataType: 1, floatData: [...initializer.toNumbers()] }
      value.initializer = Tensor.fromProto(proto, () => new Uint8Array(0))
    }
    for (const model of [decode(concatenate(chunks), { readExternalData }), typed]) {
      expect(numbersOf(findNode(fuse(model, { only }).model, fusedOp))).toEqual(expected)
    }
  })
})

/** Weight and bias of a node as numbers. */
function numbersOf({ inputs }: Node): { weight: Float64Array; bias: Float64Array } {
  return {
    weight: inputs[1]?.constant?.toNumbers() ?? new Float64Array(0),
    bias: inputs[2]?.constant?.toNumbers() ?? new Float64Array(0),
  }
}

/** The weights that lead to one output channel, by the definition of each operator's layout. */
function* channel(weight: Float64Array, { op, weight: dims, attributes }: Producer, c: number): Generator<number> {
  const [first = 1, second = 1, ...kernel] = dims
  const inner = kernel.reduce((product, dim) => product * dim, 1)
  const { group = 1 } = attributes
  for (let i = 0; i < first; i++) {
    for (let j = 0; j < second; j++) {
      const output = op === 'Conv' ? i : op === 'ConvTranspose' ? Math.floor(i / (first / group)) * second + j : j
      if (output !== c) continue
      for (let k = 0; k < inner; k++) yield weight[(i * second + j) * inner + k] ?? Number.NaN
    }
  }
}

const rounded = (type: ElementType, numbers: number[]): Float64Array =>
  Tensor.fromNumbers(type, [numbers.length], numbers).toNumbers()

describe('batchNormAffine', () => {
  const norm = (epsilon?: number): Node =>
    findNode(
      buildModel((g) => g.op('BatchNormalization', [], epsilon === undefined ? {} : { epsilon }, { name: 'norm' })),
      'norm',
    )

  it('is γ·(x − μ)/√(σ² + ε) + β as a scale and a shift', () => {
    const affine = batchNormAffine(epsilonOf(norm(1)), floats(2, -3), floats(5, 0), floats(7, 1), floats(3, 8))
    expect(affine).toEqual({ scale: Float64Array.of(1, -1), shift: Float64Array.of(-2, 1) })
  })

  it('takes ε = 1e-5 where none is written', () => {
    const affine = batchNormAffine(epsilonOf(norm()), floats(1), floats(0), floats(0), floats(0))
    if (typeof affine === 'string') throw new Error(affine)
    expect(affine.scale[0]).toBeCloseTo(1 / Math.sqrt(1e-5), 4)
  })
})
