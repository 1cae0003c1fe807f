import { describe, expect, it } from 'vitest'
import { buildModel, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { bindingLimit, placement } from './index.ts'

const place = (build: (g: GraphBuilder) => void, opset = 17) =>
  placement(buildModel(build, { opset, opsets: { 'com.microsoft': 1 } }))

const onCpu = (build: (g: GraphBuilder) => void, opset?: number): string[] =>
  place(build, opset).cpu.map(({ op, reason }) => `${op}: ${reason}`)

const conv = (g: GraphBuilder, x: Value): Value =>
  g.op('Conv', [x, Tensor.fromNumbers('float32', [4, 3, 1, 1], new Float32Array(12))])

// Each of these is what a WebGPU session of onnxruntime 1.30 does; bench/placement.js asks one, for whole models.
describe('placement', () => {
  it('finds a convolutional net wholly on the GPU', () => {
    const found = place((g) => g.output('y', g.op('Relu', [conv(g, g.input('x', 'float32', [1, 3, 8, 8]))])))
    expect(found).toEqual({
      kernels: '1.30',
      gpu: 2,
      cpu: [],
      copies: { toGpu: 0, toCpu: 0 },
      dispatches: 2,
      largestBuffer: { value: expect.any(String), bytes: 4 * 64 * 4 },
      staticShapes: true,
      whollyOnGpu: true,
      dataStaysOnGpu: true,
      againstGraphCapture: [],
      suggestions: [],
    })
  })

  it('copies to the CPU and back around an operator without a kernel', () => {
    const found = place((g) => {
      const x = g.op('Relu', [g.input('x', 'float32', [2, 3])])
      g.output('y', g.op('Relu', [g.op('Hardmax', [x])]))
    })
    expect(found.cpu).toEqual([
      { node: expect.any(String), op: 'Hardmax', reason: 'WebGPU has no kernel for float32 in opset 17' },
    ])
    expect(found).toMatchObject({ copies: { toGpu: 1, toCpu: 1 }, whollyOnGpu: false, dataStaysOnGpu: false })
    expect(found.againstGraphCapture).toEqual(['copies between CPU and GPU', '1 node on the CPU'])
  })

  it('does not count what is copied anyway: inputs and outputs', () => {
    const first = place((g) => g.output('y', g.op('Hardmax', [g.input('x', 'float32', [2, 3])])))
    expect(first.copies).toEqual({ toGpu: 0, toCpu: 0 })
    const both = place((g) => {
      const x = g.input('x', 'float32', [2, 3])
      g.output('y', g.op('Add', [g.op('Relu', [x]), g.op('Hardmax', [x])]))
    })
    expect(both.copies).toEqual({ toGpu: 2, toCpu: 0 })
  })

  it.each<[string, (g: GraphBuilder, x: Value) => Value, string[], number?]>([
    [
      'an opset for which the kernel is not registered',
      (g, x) => g.op('Sin', [x]),
      ['Sin: WebGPU has no kernel for float32 in opset 22'],
      22,
    ],
    [
      'a Cast to a type of the CPU',
      (g, x) => g.op('Cast', [x], { to: 11 }),
      ['Cast: WebGPU has no kernel that makes float64'],
    ],
    [
      'an operator it does not know',
      (g, x) => g.op('Foo', [x], {}, { domain: 'com.microsoft' }),
      ['com.microsoft::Foo: the table of kernels does not know com.microsoft::Foo'],
    ],
    [
      'the type of an exponent',
      (g, x) => g.op('Pow', [x, int64(3)]),
      ['Pow: WebGPU has no kernel with an exponent of int64'],
    ],
    [
      'what its kernel fails on',
      (g, x) => {
        const image = g.op('Reshape', [x, int64([1, 1, 2, 3])])
        return g.node('MaxPool', [image], { kernel_shape: [1, 1] }, { outputs: 2 }).outputs[1] ?? x
      },
      ['MaxPool: WebGPU has no kernel for the output of indices'],
    ],
    [
      'the rank',
      (g, x) => {
        const volume = g.op('Reshape', [x, int64([1, 1, 1, 2, 3])])
        return g.op('ConvTranspose', [volume, Tensor.fromNumbers('float32', [1, 1, 1, 1, 1], [2])])
      },
      ['ConvTranspose: WebGPU has no kernel for more than 2 spatial axes'],
    ],
    [
      'attributes that its kernel does not know',
      (g, x) => {
        const image = g.op('Reshape', [x, int64([1, 1, 2, 3])])
        const scales = Tensor.fromNumbers('float32', [4], [1, 1, 0.5, 0.5])
        const smaller = g.op('Resize', [image, undefined, scales], { mode: 'linear', antialias: 1 })
        return g.op('MaxPool', [smaller], { kernel_shape: [1, 1], storage_order: 1 })
      },
      ['Resize: WebGPU has no kernel for antialias', 'MaxPool: WebGPU has no kernel for storage_order'],
      18,
    ],
    ['the type of what Where chooses from', (g, x) => g.op('Where', [g.op('Greater', [x, 0]), x, 0]), []],
  ])('goes by %s', (_name, build, expected, opset) => {
    expect(onCpu((g) => g.output('y', build(g, g.input('x', 'float32', [2, 3]))), opset)).toEqual(expected)
  })

  const shapes = (g: GraphBuilder, x: Value): Value => {
    const size = g.op('Cast', [g.op('Cast', [g.op('Shape', [x])], { to: 6 })], { to: 7 })
    return g.op('Expand', [Tensor.fromNumbers('float32', [1], [2]), size])
  }

  it('takes to the GPU whatever has a kernel, though it works on shapes that are on the CPU', () => {
    const found = place((g) => g.output('y', shapes(g, g.input('x', 'float32', ['n', 3]))))
    expect(found.cpu.map(({ op, reason }) => `${op}: ${reason}`)).toEqual([
      'Cast: WebGPU has no kernel for int64 in opset 17',
    ])
    expect(found.copies).toEqual({ toGpu: 1, toCpu: 1 })
  })

  it('foresees the Gather that the session leaves on the CPU for the shape of an image whose layout it changed', () => {
    const found = place((g) => {
      const x = g.op('Relu', [conv(g, g.input('x', 'float32', ['n', 3, 8, 8]))])
      g.output('y', x)
      g.output('shape', g.op('Shape', [x]))
    })
    expect(found.cpu.map(({ op, reason }) => `${op}: ${reason}`)).toEqual([
      'Gather: onnxruntime adds it, to put the sizes of a transposed tensor in order',
    ])
  })

  it('reads shapes, axes and bounds on the CPU', () => {
    const found = place((g) => {
      const x = g.input('x', 'float32', [2, 3])
      g.output('y', g.op('Clip', [x, undefined, g.op('ReduceMax', [x], { keepdims: 0 })]))
    })
    expect(found).toMatchObject({ cpu: [], copies: { toGpu: 0, toCpu: 1 }, whollyOnGpu: false })
  })

  it('leaves out what the session computes once', () => {
    const found = place((g) => {
      const x = g.input('x', 'float32', [2, 3])
      g.output('y', g.op('Expand', [x, g.op('Concat', [int64([4]), int64([2, 3])], { axis: 0 })]))
    })
    expect(found).toMatchObject({ gpu: 1, cpu: [], whollyOnGpu: true })
  })

  it('looks into branches, which forbid graph capture', () => {
    const found = place((g) => {
      const x = g.input('x', 'float32', [2, 3])
      const branch = (op: string) => g.subgraph((inner) => inner.output(op, inner.op(op, [x])))
      const attributes = { then_branch: branch('Relu'), else_branch: branch('Hardmax') }
      g.output('y', g.op('If', [g.input('c', 'bool', [])], attributes))
    })
    expect(found).toMatchObject({ gpu: 2, cpu: [{ op: 'Hardmax' }], dispatches: 1 })
    expect(found.againstGraphCapture).toContain('If, which chooses what runs')
  })

  it('names the sizes to fix, and a tensor that WebGPU does not bind', () => {
    const open = place((g) => g.output('y', shapes(g, g.input('x', 'float32', ['n', undefined]))))
    expect(open.staticShapes).toBe(false)
    expect(open.suggestions).toEqual([expect.stringContaining('fix n, x:1 with the option "dimensions"')])
    const large = place((g) => g.output('y', g.op('Relu', [g.input('x', 'float32', [bindingLimit / 4 + 1])])))
    expect(large.largestBuffer?.bytes).toBe(bindingLimit + 4)
    expect(large.suggestions).toEqual([expect.stringContaining('larger than what WebGPU binds')])
  })

  it('names the inputs of int64 that keep nodes on the CPU', () => {
    const { suggestions } = place((g) => {
      const [mask, ids] = [g.input('mask', 'int64', [4]), g.input('ids', 'int64', [4])]
      const weight = Tensor.fromNumbers('float32', [2], [1, 2])
      g.output('y', g.op('Mul', [g.op('Gather', [weight, ids]), g.op('Cast', [mask], { to: 1 })]))
    })
    expect(suggestions).toEqual([expect.stringMatching(/^take int32 for mask, with the option "int64Inputs"/)])
  })

  it('names the option that keeps activations from being quantised', () => {
    const zero = Tensor.fromNumbers('uint8', [], [128])
    const { suggestions } = place((g) => {
      const quantised = g.op('QuantizeLinear', [g.input('x', 'float32', [4]), 0.1, zero])
      g.output('y', g.op('Neg', [g.op('DequantizeLinear', [quantised, 0.1, zero])]))
    })
    expect(suggestions).toEqual([
      expect.stringMatching(/^let activations be floats, with the option "qdq": 1 node on the CPU works on quantised/),
    ])
    const others = place((g) => {
      const { outputs } = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', [4, 4])], {}, { outputs: 3 })
      const weight = Tensor.fromNumbers('int8', [4, 1], [1, 2, 3, 4])
      g.output('y', g.op('MatMulInteger', [outputs[0], weight, outputs[2]]))
      const sum = [g.input('q', 'uint8', [4]), 0.1, zero, g.input('r', 'uint8', [4]), 0.1, zero, 0.1, zero]
      g.output('z', g.op('QLinearAdd', sum, {}, { domain: 'com.microsoft' }))
    })
    expect(others.suggestions).toEqual([expect.stringContaining('3 nodes on the CPU work on quantised ones')])
  })

  it('says whether a session can capture the graph: it works on int64 then, but not on attention of odd heads', () => {
    const against = (build: (g: GraphBuilder) => void): readonly string[] => place(build).againstGraphCapture
    const counted = (g: GraphBuilder, x: Value): Value => g.op('Cast', [g.op('Add', [x, int64([1])])], { to: 1 })
    expect(against((g) => g.output('y', counted(g, g.input('x', 'int64', [2, 3]))))).toEqual([])
    expect(against((g) => g.output('y', counted(g, g.op('Neg', [g.input('x', 'int64', [2, 3])]))))).toEqual([
      'copies between CPU and GPU',
      '1 node on the CPU',
    ])
    const attended = (width: number) => (g: GraphBuilder) => {
      const x = g.input('x', 'float32', [1, 5, width])
      g.output('y', g.op('MultiHeadAttention', [x, x, x], { num_heads: 2 }, { domain: 'com.microsoft' }))
    }
    expect(against(attended(8))).toEqual([])
    expect(against(attended(6))).toEqual([expect.stringMatching(/MultiHeadAttention.*multiple of 4/)])
  })

  it('says by which kernels it went', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x')])))
    expect(placement(model, '1.30.2').kernels).toBe('1.30')
    expect(placement(model, '1.99.0').kernels).toBe('1.30')
  })
})
