import type { GraphBuilder, Value } from '../../src/graph/index.ts'
import type { Pattern, Weights } from './pattern.ts'

const rows = (g: GraphBuilder, name = 'x', width = 6): Value => g.input(name, 'float32', ['batch', width])
const sequence = (g: GraphBuilder): Value => g.input('x', 'float32', ['batch', 'length', 6])

const batchNorm = (g: GraphBuilder, x: Value, w: Weights, channels: number): Value =>
  g.op('BatchNormalization', [x, ...w.batchNorm(channels)], { epsilon: 1e-3 })

/** Products of matrices, and what stands around them. */
export const matrixProducts: readonly Pattern[] = [
  {
    name: 'bn_gemm',
    build: (g, w) =>
      g.output('y', g.op('Gemm', [batchNorm(g, rows(g), w, 6), w.matrix(4, 6), w.normal(4)], { transB: 1 })),
    expected: ['Gemm'],
  },
  {
    name: 'matmul_add_2d',
    build: (g, w) => g.output('y', g.op('Add', [g.op('MatMul', [rows(g), w.matrix(6, 4)]), w.normal(4)])),
    expected: ['Gemm'],
  },
  {
    name: 'matmul_add_3d',
    build: (g, w) => g.output('y', g.op('Add', [w.normal(4), g.op('MatMul', [sequence(g), w.matrix(6, 4)])])),
    expected: ['MatMul', 'Add'],
    reason: 'the session makes a Gemm of it where that pays, between two Reshapes',
  },
  {
    name: 'gemm_transpose_input',
    build: (g, w) => {
      const x = g.op('Transpose', [g.input('x', 'float32', [6, 'batch'])], { perm: [1, 0] })
      g.output('y', g.op('Gemm', [x, w.matrix(6, 4), w.normal(4)]))
    },
    expected: ['Gemm'],
  },
  {
    name: 'matmul_transpose_const_weight',
    build: (g, w) => {
      const weight = g.op('Transpose', [g.constant(w.matrix(4, 6), { name: 'weight' })], { perm: [1, 0] })
      g.output('y', g.op('MatMul', [sequence(g), weight]))
    },
    expected: ['MatMul'],
  },
  {
    name: 'matmul_transpose_kT',
    build: (g) => {
      const [q, k] = ['q', 'k'].map((name) => g.input(name, 'float32', ['batch', 2, 5, 4]))
      g.output('y', g.op('MatMul', [q, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })]))
    },
    expected: ['Transpose', 'MatMul'],
    reason: 'FusedMatMul has no WebGPU kernel',
  },
  {
    name: 'matmul_scale',
    build: (g) => {
      const [q, k] = [g.input('q', 'float32', ['batch', 2, 5, 4]), g.input('k', 'float32', ['batch', 2, 4, 5])]
      g.output('y', g.op('Mul', [g.op('MatMul', [q, k]), 0.5]))
    },
    expected: ['MatMul', 'Mul'],
    reason: 'FusedMatMul has no WebGPU kernel',
  },
  {
    name: 'matmul_const_mul_scale_into_weight',
    build: (g, w) => g.output('y', g.op('Mul', [g.op('MatMul', [sequence(g), w.matrix(6, 4)]), 0.125])),
    expected: ['MatMul'],
  },
  {
    name: 'gemm_bn',
    build: (g, w) => {
      const y = g.op('Gemm', [rows(g), w.matrix(4, 6), w.normal(4)], { transB: 1 })
      g.output('y', batchNorm(g, y, w, 4))
    },
    expected: ['Gemm'],
  },
  {
    name: 'matmul_bn',
    build: (g, w) => g.output('y', batchNorm(g, g.op('MatMul', [rows(g), w.matrix(6, 4)]), w, 4)),
    expected: ['Gemm'],
  },
  {
    name: 'gemm_relu',
    build: (g, w) => g.output('y', g.op('Relu', [g.op('Gemm', [rows(g), w.matrix(4, 6), w.normal(4)], { transB: 1 })])),
    expected: ['Gemm', 'Relu'],
    reason: 'FusedGemm has no WebGPU kernel',
  },
  {
    name: 'gemm_add_sum',
    build: (g, w) => {
      const y = g.op('Gemm', [rows(g), w.matrix(6, 4)])
      g.output('y', g.op('Sum', [y, rows(g, 'residual', 4)]))
    },
    expected: ['Gemm'],
  },
  {
    name: 'gemm_gemm_compose',
    build: (g, w) => {
      const hidden = g.op('Gemm', [rows(g), w.matrix(8, 6), w.normal(8)], { transB: 1 })
      g.output('y', g.op('Gemm', [hidden, w.matrix(4, 8), w.normal(4)], { transB: 1 }))
    },
    expected: ['Gemm'],
  },
  {
    name: 'qkv_three_matmul_merge',
    build: (g, w) => {
      const x = sequence(g)
      for (const name of ['q', 'k', 'v']) g.output(name, g.op('MatMul', [x, w.matrix(6, 8)]))
    },
    expected: ['MatMul', 'Split'],
  },
  {
    name: 'einsum_bmm',
    build: (g) => {
      const [a, b] = [g.input('a', 'float32', ['batch', 3, 4]), g.input('b', 'float32', ['batch', 4, 5])]
      g.output('y', g.op('Einsum', [a, b], { equation: 'bij,bjk->bik' }))
    },
    expected: ['MatMul'],
  },
  {
    name: 'einsum_bhid_bhjd',
    build: (g) => {
      const [q, k] = ['q', 'k'].map((name) => g.input(name, 'float32', ['batch', 2, 5, 4]))
      g.output('y', g.op('Einsum', [q, k], { equation: 'b h i d, b h j d -> b h i j' }))
    },
    expected: ['Transpose', 'MatMul'],
    reason: 'FusedMatMul has no WebGPU kernel',
  },
]
