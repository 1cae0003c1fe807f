import { Tensor } from '../../src/graph/index.ts'
import type { Pattern } from './pattern.ts'

const [inputs, outputs, block] = [32, 8, 16]

/** Weights as weight-only quantisers leave them, and activations as static quantisers do. */
export const quantised: readonly Pattern[] = [
  {
    name: 'dq_weight_matmul_int4_block',
    model: { opset: 21, irVersion: 10 },
    build: (g, w) => {
      const nibbles = Uint8Array.from({ length: (inputs * outputs) / 2 }, (_, index) => (index * 37 + 11) & 0xff)
      const weight = Tensor.fromBytes('int4', [inputs, outputs], nibbles)
      const attributes = { axis: 0, block_size: block }
      const dequantised = g.op('DequantizeLinear', [weight, w.positive(inputs / block, outputs)], attributes)
      g.output('y', g.op('MatMul', [g.input('x', 'float32', ['batch', 4, inputs]), dequantised]))
    },
    expected: ['com.microsoft::MatMulNBits'],
  },
  {
    name: 'dq_weight_int8_matmul',
    build: (g, w) => {
      const weight = Tensor.fromNumbers(
        'int8',
        [inputs, outputs],
        Array.from({ length: inputs * outputs }, (_, index) => ((index * 37) % 255) - 127),
      )
      const dequantised = g.op('DequantizeLinear', [weight, w.positive(outputs)], { axis: 1 })
      g.output('y', g.op('MatMul', [g.input('x', 'float32', ['batch', 4, inputs]), dequantised]))
    },
    expected: ['com.microsoft::MatMulNBits'],
  },
  {
    // A table of embeddings with a scale for each row, as weight-only quantisers leave it.
    name: 'dq_weight_int8_gather',
    model: { opset: 21, irVersion: 10 },
    build: (g, w) => {
      const rows = Tensor.fromNumbers(
        'int8',
        [inputs, outputs],
        Array.from({ length: inputs * outputs }, (_, index) => ((index * 37) % 255) - 127),
      )
      const table = g.op('DequantizeLinear', [rows, w.positive(inputs)], { axis: 0 })
      const ids = g.op('Mod', [g.input('ids', 'int64', ['batch', 4]), Tensor.fromNumbers('int64', [], [inputs])])
      g.output('y', g.op('Gather', [table, ids]))
    },
    expected: ['Mod', 'Gather', 'Gather', 'Gather', 'DequantizeLinear'],
    reason:
      'GatherBlockQuantized does it in one node, but the wasm of the WebGPU builds has no kernel for it, so it is used with the target webgpu only; only the rows that are looked up are dequantised',
  },
  {
    name: 'q_dq_noop_pair',
    build: (g) => {
      const [scale, zero] = [g.constant(0.05), g.constant(Tensor.fromNumbers('uint8', [], [128]))]
      const x = g.op('Tanh', [g.input('x', 'float32', ['batch', 4, 8])])
      const quantised = g.op('QuantizeLinear', [x, scale, zero])
      g.output('y', g.op('Relu', [g.op('DequantizeLinear', [quantised, scale, zero])]))
    },
    expected: ['Tanh', 'QuantizeLinear', 'DequantizeLinear', 'Relu'],
    reason: 'they round: without them the numbers are others; `qdq=weights` takes them out, and reports by how much',
  },
]
