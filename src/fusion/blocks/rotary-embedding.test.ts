import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Formula, fuseFunction, type Options } from '../../../test/support/fuse-function.ts'
import { Random } from '../../../test/support/run-model.ts'
import { type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(31)
const fused = fuseFunction(['rotary-embedding'], ['n', 2, 5, 8])
const add = (g: GraphBuilder, a: Value, b: Value): Value => g.op('Add', [a, b])
const slice = (g: GraphBuilder, x: Value, start: number, end: number): Value =>
  g.op('Slice', [x, int64([start]), int64([end]), int64([-1]), int64([1])])

/** [a, b] → [−b, a]. */
const rotate = (g: GraphBuilder, x: Value, half = 4): Value =>
  g.op('Concat', [g.op('Neg', [slice(g, x, half, 2 ** 31)]), slice(g, x, 0, half)], { axis: -1 })

/** Rows of numbers, the same in both halves. */
function table(rows: number, width: number): Tensor {
  const numbers = random.tensor([rows, width / 2]).toNumbers()
  const repeated = Array.from({ length: rows * width }, (_, index) => {
    const [row, column] = [Math.floor(index / width), index % width]
    return numbers[row * (width / 2) + (column % (width / 2))] ?? 0
  })
  return Tensor.fromNumbers('float32', [rows, width], repeated)
}

const rotary = (g: GraphBuilder, x: Value, cos: Value | Tensor, sin: Value | Tensor, half = 4): Value =>
  add(g, g.op('Mul', [x, cos]), g.op('Mul', [rotate(g, x, half), sin]))

/** cos and sin of positions times frequencies, as LLaMA computes them. */
function computed(g: GraphBuilder, x: Value): [Value, Value] {
  const length = g.op('Squeeze', [g.op('Slice', [g.op('Shape', [x]), int64([2]), int64([3])]), int64([0])])
  const positions = g.op('Cast', [g.op('Range', [int64(0), length, int64(1)])], { to: 1 })
  const angles = g.op('Mul', [g.op('Unsqueeze', [positions, int64([0, 2])]), random.tensor([4])])
  const both = g.op('Concat', [angles, angles], { axis: -1 })
  const [cos, sin] = ['Cos', 'Sin'].map((op) => g.op('Unsqueeze', [g.op('Mul', [g.op(op, [both]), 1.5]), int64([1])]))
  return [cos as Value, sin as Value]
}

describe('rotary-embedding', () => {
  it.each<[string, Formula]>([
    ['constant cosines', (g, x) => rotary(g, x, table(5, 8), table(5, 8))],
    ['cosines on the left', (g, x) => add(g, g.op('Mul', [table(5, 8), rotate(g, x)]), g.op('Mul', [table(5, 8), x]))],
    [
      'halves by Split',
      (g, x) => {
        const [first, second] = g.node('Split', [x, int64([4, 4])], { axis: 3 }, { outputs: 2 }).outputs
        const rotated = g.op('Concat', [g.op('Mul', [second, -1]), first], { axis: 3 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
    ],
  ])('recognises %s', async (_name, formula) => {
    for (const opset of [13, 17]) expect((await fused(formula, { opset })).ops).toEqual(['RotaryEmbedding'])
  })

  it('recognises cosines that are computed for the positions there are', async () => {
    const { ops } = await fuseFunction(['rotary-embedding', 'dead-node'], ['n', 2, 's', 8])(
      (g, x) => rotary(g, x, ...computed(g, x)),
      { dimensions: { s: 3 } },
    )
    expect(ops.at(-1)).toBe('RotaryEmbedding')
    expect(ops.filter((op) => op === 'Concat')).toEqual([])
  })

  it('rotates before the heads are split', async () => {
    const { ops } = await fuseFunction(
      ['rotary-embedding'],
      ['n', 5, 16],
    )((g, x) => {
      const heads = g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, 2, 8])])], { perm: [0, 2, 1, 3] })
      return rotary(g, heads, table(5, 8), table(5, 8))
    })
    expect(ops).toEqual(['RotaryEmbedding', 'Reshape', 'Transpose'])
  })

  it('computes the same for every size', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(size, size, size, size, fc.boolean(), async (batch, heads, sequence, half, split) => {
        const shape = split ? [batch, sequence, heads * half * 2] : [batch, heads, sequence, half * 2]
        const { ops } = await fuseFunction(
          ['rotary-embedding'],
          shape,
        )((g, x) => {
          const value = split
            ? g.op('Transpose', [g.op('Reshape', [x, int64([0, 0, heads, half * 2])])], { perm: [0, 2, 1, 3] })
            : x
          return rotary(g, value, table(sequence, half * 2), table(sequence, half * 2), half)
        })
        expect(ops).toContain('RotaryEmbedding')
      }),
      { numRuns: 30 },
    )
  })

  it.each<[string, RegExp, Formula, Options]>([
    ['halves that differ', /not seen that both halves/, (g, x) => rotary(g, x, random.tensor([5, 8]), table(5, 8)), {}],
    [
      'another rotation',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [g.op('Neg', [slice(g, x, 0, 4)]), slice(g, x, 4, 8)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'a rotation without a sign',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [slice(g, x, 4, 8), slice(g, x, 0, 4)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'the rotation of something else',
      /does not rotate/,
      (g, x) => add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotate(g, g.op('Neg', [x])), table(5, 8)])),
      {},
    ],
    [
      'uneven halves',
      /does not rotate/,
      (g, x) => {
        const rotated = g.op('Concat', [g.op('Neg', [slice(g, x, 3, 8)]), slice(g, x, 0, 3)], { axis: -1 })
        return add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)]))
      },
      {},
    ],
    [
      'float64',
      /no kernel for float64/,
      (g, x) => {
        const wide = (one: Value | Tensor): Value => g.op('Cast', [one], { to: 11 })
        return g.op('Cast', [rotary(g, wide(x), wide(table(5, 8)), wide(table(5, 8)))], { to: 1 })
      },
      {},
    ],
    ['one row for all positions', /not one row for each/, (g, x) => rotary(g, x, table(1, 8), table(1, 8)), {}],
    [
      'cosines for every head',
      /not one row for each/,
      (g, x) => rotary(g, x, table(10, 8).reshape([2, 5, 8]), table(10, 8).reshape([2, 5, 8])),
      {},
    ],
    [
      'a rotation with another user',
      /has 2 users/,
      (g, x) => {
        const rotated = rotate(g, x)
        return add(g, add(g, g.op('Mul', [x, table(5, 8)]), g.op('Mul', [rotated, table(5, 8)])), rotated)
      },
      {},
    ],
    [
      'the ONNX standard',
      /not in the ONNX standard/,
      (g, x) => rotary(g, x, table(5, 8), table(5, 8)),
      { target: 'onnx' },
    ],
  ])('leaves %s alone', async (_name, reason, formula, options) => {
    const { report, reasons } = await fused(formula, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })
})
