import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectLeftAlone, normalize } from '../../../test/support/batch-norm.ts'
import { findNode } from '../../../test/support/find.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { Dimension, GraphBuilder, Value } from '../../graph/index.ts'

const only = ['matmul-batch-norm']
const random = new Random(3)

const matmulNorm =
  (
    shape: readonly Dimension[] | undefined,
    weight: readonly number[],
    channels: number,
    before = (_: GraphBuilder, x: Value) => x,
  ) =>
  (g: GraphBuilder): void => {
    const x = before(g, g.input('x', 'float32', shape))
    g.output('y', normalize(g, g.op('MatMul', [x, random.tensor(weight)]), channels))
  }

describe('matmul-batch-norm folds', () => {
  it('a product of matrices, which becomes a Gemm', async () => {
    const { ops, model } = await fuseGraph(matmulNorm([3, 5], [5, 4], 4), { only })
    expect(ops).toEqual(['Gemm'])
    expect(findNode(model, 'Gemm').inputs.map((value) => value?.shape)).toEqual([[3, 5], [5, 4], [4]])
  })

  it('with a batch size that is a name or unknown', async () => {
    for (const batch of ['batch', undefined]) {
      expect((await fuseGraph(matmulNorm([batch, 5], [5, 4], 4), { only })).ops).toEqual(['Gemm'])
    }
  })

  it('behind nodes whose shape is only inferred', async () => {
    const flatten = (g: GraphBuilder, x: Value): Value => g.op('Flatten', [g.op('Relu', [x])])
    expect((await fuseGraph(matmulNorm([2, 3, 4], [12, 4], 4, flatten), { only })).ops).toEqual([
      'Relu',
      'Flatten',
      'Gemm',
    ])
  })

  it('any matrices', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 3, maxLength: 3 }),
        fc.integer(),
        async ([M = 1, K = 1, N = 1], seed) => {
          const { ops } = await fuseGraph(matmulNorm([M, K], [K, N], N), { only, seed })
          expect(ops).toEqual(['Gemm'])
        },
      ),
      { numRuns: 25, seed: 14 },
    ))
})

describe('matmul-batch-norm leaves alone', () => {
  it('data of rank 3: the channels are axis 1, not the columns', () =>
    expectLeftAlone(only[0] ?? '', matmulNorm([2, 4, 5], [5, 4], 4), /rank of "x" is 3, not 2/))

  it('data of rank 4 as square as can be', () =>
    expectLeftAlone(only[0] ?? '', matmulNorm([2, 4, 4, 4], [4, 4], 4), /rank of "x" is 4, not 2/))

  it('data of unknown rank', () =>
    expectLeftAlone(only[0] ?? '', matmulNorm(undefined, [5, 4], 4), /rank of "x" is unknown, not 2/, {
      feeds: { x: random.tensor([2, 4, 5]) },
    }))

  it('a weight of rank 3', () => expectLeftAlone(only[0] ?? '', matmulNorm([4, 5], [2, 5, 4], 4), /is not a matrix/))

  it('a constant on the left: its rows are no channels', () =>
    expectLeftAlone(
      only[0] ?? '',
      (g) => g.output('y', normalize(g, g.op('MatMul', [random.tensor([4, 4]), g.input('x', 'float32', [4, 4])]), 4)),
      /"x" is a graph input, not a constant/,
    ))
})
