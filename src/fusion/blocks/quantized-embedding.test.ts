import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random, runModel } from '../../../test/support/run-model.ts'
import { type ElementType, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const random = new Random(91)
const only = ['quantized-embedding']

interface Spelling {
  type?: 'int4' | 'uint4' | 'int8' | 'uint8'
  rows?: number
  columns?: number
  /** Columns of a block; 0: no blocks. */
  block?: number
  axis?: number
  scales?: readonly number[]
  zero?: boolean
  gatherAxis?: number
  floats?: ElementType
}

function integers(type: ElementType, dims: readonly number[]): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1)
  const bytes = Uint8Array.from({ length: type.endsWith('4') ? Math.ceil(size / 2) : size }, () =>
    Math.floor(random.uniform(0, 256)),
  )
  return Tensor.fromBytes(type, dims, bytes)
}

function lookUp(g: GraphBuilder, ids: Value, spelling: Spelling = {}): Value {
  const {
    type = 'uint8',
    rows = 9,
    columns = 6,
    block = 0,
    axis = 1,
    scales = [],
    zero = false,
    gatherAxis = 0,
  } = spelling
  const operands = [integers(type, [rows, columns]), random.tensor(scales, spelling.floats ?? 'float32', [0.01, 0.1])]
  const attributes = block > 0 ? { axis, block_size: block } : scales.length > 0 ? { axis } : {}
  const inputs = zero ? [...operands, integers(type, scales)] : operands
  return g.op('Gather', [g.op('DequantizeLinear', inputs, attributes), ids], { axis: gatherAxis })
}

const feeds = (rows = 9, dims = [2, 3]): { ids: Tensor } => ({
  // Ids from the end are ids as well.
  ids: int64(Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % (2 * rows)) - rows)).reshape(
    dims,
  ),
})
const fused = (
  spelling: Spelling,
  options: { opset?: number; target?: 'onnx' | 'web' | 'webgpu'; dims?: number[] } = {},
) => {
  const { dims = [2, 3], ...rest } = options
  return fuseGraph((g) => g.output('y', lookUp(g, g.input('ids', 'int64', dims), spelling)), {
    only,
    opset: 21,
    irVersion: 10,
    feeds: feeds(spelling.rows, dims),
    ...rest,
  })
}

describe('quantized-embedding', () => {
  it.each<[string, Spelling, number]>([
    ['one scale for all', {}, 1],
    ['one scale and zero point for all', { zero: true }, 1],
    ['int8', { type: 'int8' }, 1],
    ['a scale for each column', { scales: [6], zero: true }, 1],
    ['a scale for each row', { scales: [9], axis: 0, zero: true }, 3],
    ['a scale for each row of int8', { type: 'int8', scales: [9], axis: 0 }, 3],
    ['a scale for each block', { scales: [9, 3], block: 2, zero: true }, 3],
    ['axes from the end', { scales: [6], axis: -1, gatherAxis: -2 }, 1],
  ])('looks up first with %s', async (_name, spelling, gathers) => {
    for (const target of ['web', 'onnx'] as const) {
      const { ops } = await fused(spelling, { target })
      expect(ops).toEqual([...new Array<string>(gathers).fill('Gather'), 'DequantizeLinear'])
    }
  })

  it('recognises it in every opset that has it', async () => {
    for (const opset of [13, 19, 23]) {
      const { ops } = await fused({ type: 'int8', scales: [6] }, { opset })
      expect(ops).toEqual(['Gather', 'DequantizeLinear'])
    }
    expect((await fused({}, { opset: 10 })).ops).toEqual(['Gather', 'DequantizeLinear'])
  })

  it('looks up at once where there is no fallback to wasm', async () => {
    for (const spelling of [
      { type: 'uint4', columns: 32, block: 16, scales: [9, 2], zero: true },
      { type: 'uint4', columns: 32, block: 32, scales: [9, 1] },
      { type: 'uint8', columns: 32, block: 16, scales: [9, 2] },
      { type: 'int4', columns: 32, block: 32, scales: [9, 1] },
      { type: 'uint8', columns: 32, block: 16, scales: [9, 2], zero: true },
      { type: 'int8', scales: [9], axis: 0 },
      { type: 'uint8', columns: 20, scales: [9], axis: 0, zero: true },
    ] as const) {
      const { ops } = await fused(spelling, { target: 'webgpu' })
      expect(ops).toEqual(['GatherBlockQuantized'])
    }
  })

  it('computes the same in float16', async () => {
    const { ops } = await fuseGraph(
      (g) => g.output('y', lookUp(g, g.input('ids', 'int64', [2, 3]), { floats: 'float16', scales: [6], zero: true })),
      { only, opset: 21, irVersion: 10, feeds: feeds(), tolerance: 1e-3 },
    )
    expect(ops).toEqual(['Gather', 'DequantizeLinear'])
  })

  it('computes the same for every size, type and place of the scales', async () => {
    const size = fc.integer({ min: 1, max: 7 })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ rows: size, columns: size, block: fc.integer({ min: 1, max: 4 }) }),
        fc.constantFrom('uint8' as const, 'int8' as const),
        fc.constantFrom('all', 'columns', 'rows', 'blocks'),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('web' as const, 'webgpu' as const),
        async ({ rows, columns, block }, type, place, zero, dims, target) => {
          const wide = columns * block
          const spellings: Record<string, Spelling> = {
            all: {},
            columns: { scales: [wide] },
            rows: { scales: [rows], axis: 0 },
            blocks: { scales: [rows, columns], block },
          }
          const { report } = await fused({ type, rows, columns: wide, zero, ...spellings[place] }, { dims, target })
          expect(report.fusions).toHaveProperty('quantized-embedding', 1)
        },
      ),
      { numRuns: 60 },
    )
  })

  it.each<[string, RegExp, Spelling, Parameters<typeof fused>[1]]>([
    ['columns that are looked up', /rows of a table/, { gatherAxis: 1 }, { dims: [] }],
    ['4 bits, on wasm', /no kernel for int4/, { type: 'int4', columns: 32, block: 16, scales: [9, 2] }, {}],
    ['one row', /without an axis for it/, { scales: [9], axis: 0 }, { dims: [] }],
    ['blocks of rows', /not for rows, columns, all/, { block: 3, axis: 0, scales: [3, 6] }, {}],
    ['scales of rows in an old opset', /does not dequantise by row/, { scales: [9], axis: 0 }, { opset: 19 }],
  ])('leaves %s alone', async (_name, reason, spelling, options) => {
    const { report, reasons } =
      spelling.gatherAxis === 1
        ? await fuseGraph((g) => g.output('y', lookUp(g, g.input('ids', 'int64', []), spelling)), {
            only,
            opset: 21,
            irVersion: 10,
            feeds: { ids: int64(3) },
          })
        : await fused(spelling, options)
    expect(report.fusions).toEqual({})
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('leaves alone what is looked up in no known rank', async () => {
    const { report, reasons } = await fuseGraph((g) => g.output('y', lookUp(g, g.input('ids', 'int64'), {})), {
      only,
      opset: 21,
      irVersion: 10,
      feeds: { ids: int64([1, 3]) },
    })
    expect(report.fusions).toEqual({})
    expect(reasons).toEqual([expect.stringMatching(/rank of what is looked up is not known/)])
  })

  it('leaves a table alone that another uses', async () => {
    const { reasons } = await fuseGraph(
      (g) => {
        const table = g.op('DequantizeLinear', [integers('uint8', [9, 6]), 0.1])
        g.output('y', g.op('Gather', [table, g.input('ids', 'int64', [2])], { axis: 0 }))
        g.output('z', g.op('MatMul', [g.input('x', 'float32', [2, 9]), table]))
      },
      { only, opset: 21, irVersion: 10, feeds: { ids: int64([1, 2]), x: random.tensor([2, 9]) } },
    )
    expect(reasons).toContainEqual(expect.stringMatching(/has 2 users/))
  })

  it('leaves zero points alone that differ from the scales in shape, which the runtime refuses', async () => {
    const build = (g: GraphBuilder): void => {
      const zero = integers('uint8', [1])
      const table = g.op('DequantizeLinear', [integers('uint8', [9, 6]), random.tensor([6]), zero], { axis: 1 })
      g.output('y', g.op('Gather', [table, g.input('ids', 'int64', [2])], { axis: 0 }))
    }
    const { buildModel, encode, concatenate } = await import('../../graph/index.ts')
    const { fuse } = await import('../fuse.ts')
    const model = buildModel(build, { opset: 21, irVersion: 10 })
    await expect(runModel(concatenate(encode(model).chunks), { ids: int64([1, 2]) })).rejects.toThrow()
    expect(fuse(model, { only }).report.nearMisses[0]?.reason).toMatch(/zero points differ/)
  })
})
