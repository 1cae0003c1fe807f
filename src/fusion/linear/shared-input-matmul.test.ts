import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type BuildOptions, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const random = new Random(31)
const only = ['shared-input-matmul']
type Part = (g: GraphBuilder, x: Value) => Value

/** Several parts of one input, each an output of its own. */
const fused = (
  parts: readonly Part[],
  { shape = [2, 5, 4], ...options }: CompareOptions & BuildOptions & { shape?: readonly (number | string)[] } = {},
): Promise<Fused> =>
  fuseGraph(
    (g) => {
      const x = g.op('Relu', [g.input('x', 'float32', shape)])
      for (const [index, part] of parts.entries()) g.output(`y${index}`, part(g, x))
    },
    { only, ...options },
  )

const matmul =
  (columns: number, bias = false): Part =>
  (g, x) => {
    const product = g.op('MatMul', [x, random.tensor([4, columns])])
    return bias ? g.op('Add', [random.tensor([columns]), product]) : product
  }

const gemm =
  (
    columns: number,
    { bias = true, ...attributes }: { bias?: boolean; transB?: number; alpha?: number; beta?: number },
  ): Part =>
  (g, x) => {
    const weight = random.tensor(attributes.transB ? [columns, 4] : [4, columns])
    return g.op('Gemm', [x, weight, ...(bias ? [random.tensor([columns])] : [])], attributes)
  }

/** Queries, keys and values of an attention, with what exporters put between. */
const attention = (g: GraphBuilder, x: Value): Value => {
  const heads = (part: Part) =>
    g.op('Transpose', [g.op('Reshape', [part(g, x), int64([0, 0, 2, 2])])], { perm: [0, 2, 1, 3] })
  const [q, k, v] = [heads(matmul(4, true)), heads(matmul(4, true)), heads(matmul(4, true))]
  const scores = g.op('MatMul', [g.op('Mul', [q, 0.5]), g.op('Transpose', [k], { perm: [0, 1, 3, 2] })])
  return g.op('MatMul', [g.op('Softmax', [scores], { axis: -1 }), v])
}

describe('shared-input-matmul', () => {
  it('makes one MatMul and a Split of three, of any rank and any sizes', async () => {
    for (const shape of [[4], [3, 4], [2, 3, 4], ['n', 'm', 4]]) {
      const { ops, bytes } = await fused([matmul(4), matmul(4), matmul(3)], { shape })
      expect(ops).toEqual(['Relu', 'MatMul', 'Split'])
      expect(bytes.after).toBeLessThan(bytes.before + 200)
    }
  })

  it('joins the biases, and takes zeros where there is none', async () => {
    expect((await fused([matmul(4, true), matmul(2, true)])).ops).toEqual(['Relu', 'MatMul', 'Add', 'Split'])
    const mixed = await fused([matmul(4, true), matmul(2), matmul(2, true)])
    expect(mixed.ops).toEqual(['Relu', 'MatMul', 'Add', 'Split'])
  })

  it('joins Gemms, transposed or not', async () => {
    for (const transB of [0, 1]) {
      const settings = { transB, alpha: 0.5, beta: 2 }
      const { ops } = await fused([gemm(3, settings), gemm(2, { ...settings, bias: false }), gemm(1, settings)], {
        shape: [3, 4],
      })
      expect(ops).toEqual(['Relu', 'Gemm', 'Split'])
    }
  })

  it('splits by an attribute before opset 13', async () => {
    const { ops, model } = await fused([matmul(4), matmul(4), matmul(3)], { opset: 12, irVersion: 7 })
    expect(ops).toEqual(['Relu', 'MatMul', 'Split'])
    expect([...model.graph.nodes].at(-1)?.ints('split')).toEqual([4, 4, 3])
  })

  it('stands before every user of a part', async () => {
    const { ops } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2, 4])
        const first = g.op('Tanh', [matmul(4)(g, x)])
        const second = g.op('Add', [first, matmul(4)(g, x)])
        g.output('y', g.op('Mul', [second, matmul(4)(g, x)]))
      },
      { only },
    )
    expect(ops).toEqual(['MatMul', 'Split', 'Tanh', 'Add', 'Mul'])
  })

  it('leaves two products without a bias: a Split in place of one of them gains nothing', async () => {
    expect((await fused([matmul(4), matmul(4)])).report.rewrites).toBe(0)
  })

  it('leaves what differs, and joins the rest', async () => {
    const computed: Part = (g, x) =>
      g.op('MatMul', [x, g.op('Reshape', [g.op('ReduceMean', [x], { axes: [0, 1] }), int64([4, 1])])])
    const batched: Part = (g, x) => g.op('MatMul', [x, random.tensor([2, 4, 3])])
    const { ops } = await fused([matmul(4), computed, matmul(4), batched, matmul(2)])
    expect(ops.filter((op) => op === 'MatMul')).toHaveLength(3)
    expect(ops).toContain('Split')
    const settings = await fused([gemm(3, { alpha: 0.5 }), gemm(3, { alpha: 2 }), gemm(3, { transB: 1 })], {
      shape: [3, 4],
    })
    expect(settings.report.rewrites).toBe(0)
  })

  it('leaves an attention to those who recognise it', async () => {
    const { ops, reasons } = await fused([attention])
    expect(ops).not.toContain('Split')
    expect(reasons[0]).toMatch(/leads to an attention/)
  })

  it('leaves large weights that another node uses', async () => {
    const { report } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [1, 512])
        const weight = g.constant(new Float32Array(512 * 1024), { dims: [512, 1024] })
        for (let index = 0; index < 3; index++) g.output(`y${index}`, g.op('MatMul', [x, weight]))
      },
      { only },
    )
    expect(report.rewrites).toBe(0)
  })

  it('leaves products in different graphs', async () => {
    const { report } = await fuseGraph(
      (g) => {
        const x = g.input('x', 'float32', [2, 4])
        const branch = (name: string) => g.subgraph((inner) => inner.output(name, matmul(4)(inner, x)))
        const condition = g.op('Greater', [g.op('ReduceMean', [x], { keepdims: 0 }), 0])
        const chosen = g.op('If', [condition], { then_branch: branch('then'), else_branch: branch('else') })
        g.output('y', g.op('Add', [chosen, matmul(4)(g, x)]))
      },
      { only },
    )
    expect(report.rewrites).toBe(0)
  })

  it('computes the same for any parts', { timeout: 120_000 }, async () => {
    const part = fc.record({ columns: fc.integer({ min: 1, max: 4 }), bias: fc.boolean() })
    const parts = fc.array(part, { minLength: 2, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(parts, fc.constantFrom('MatMul', 'Gemm'), fc.nat(1), async (list, op, transB) => {
        const { report } = await fused(
          list.map(({ columns, bias }) => (op === 'Gemm' ? gemm(columns, { bias, transB }) : matmul(columns, bias))),
          { shape: [3, 4] },
        )
        const biases = list.filter(({ bias }) => bias).length
        const [before, after] = op === 'Gemm' ? [list.length, 2] : [list.length + biases, biases > 0 ? 3 : 2]
        expect(report.fusions['shared-input-matmul']).toBe(after < before ? 1 : undefined)
      }),
      { numRuns: 40 },
    )
  })
})
