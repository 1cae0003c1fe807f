import fc from 'fast-check'
import { expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { elementTypes, type GraphBuilder, int64, type Value } from '../../graph/index.ts'

const only = ['common-shape-data', 'dead-node']
const dimensions = { batch: 2, sequence: 5, n: 3 }

const size = (g: GraphBuilder, x: Value, axis: number): Value => g.op('Gather', [g.op('Shape', [x]), int64(axis)])
const count = (ops: readonly string[], op: string): number => ops.filter((item) => item === op).length

const fused = (build: (g: GraphBuilder, a: Value, b: Value) => Value[]) =>
  fuseGraph(
    (g) => {
      const a = g.input('a', 'float32', ['batch', 'sequence', 8])
      const b = g.input('b', 'float32', ['batch', 'sequence'])
      for (const [index, value] of build(g, a, b).entries()) g.output(`y${index}`, g.op('Neg', [value]))
    },
    { only, dimensions },
  )

it('reads a size once, from whichever tensor it was read', async () => {
  const { ops } = await fused((g, a, b) => [size(g, a, 1), size(g, b, 1), size(g, g.op('Exp', [b]), 1)])
  expect(count(ops, 'Gather')).toBe(1)
  expect(count(ops, 'Shape')).toBe(1)
})

it('sees the same size in another computation, and takes away detours', async () => {
  const { ops } = await fused((g, a, b) => {
    const batch = g.op('Slice', [g.op('Shape', [a]), int64([0]), int64([1])])
    const detour = g.op('Unsqueeze', [g.op('Squeeze', [batch]), int64([0])])
    const half = g.op('Div', [g.op('Mul', [g.op('Gather', [g.op('Shape', [b]), int64([0])]), int64([2])]), int64([2])])
    return [batch, detour, half]
  })
  expect(ops.slice(0, 2)).toEqual(['Shape', 'Slice'])
  expect(count(ops, 'Neg')).toBe(ops.length - 2)
})

it('keeps apart scalars and vectors, types, and sizes that are not the same', async () => {
  const { ops } = await fused((g, a) => [
    g.op('Gather', [g.op('Shape', [a]), int64(0)]),
    g.op('Gather', [g.op('Shape', [a]), int64([0])]),
    g.op('Cast', [g.op('Gather', [g.op('Shape', [a]), int64(0)])], { to: elementTypes.int32.code }),
    g.op('Gather', [g.op('Shape', [a]), int64(1)]),
  ])
  expect(count(ops, 'Gather')).toBe(3)
  expect(count(ops, 'Cast')).toBe(1)
})

it('keeps apart dimensions without names', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const a = g.input('a', 'float32', [undefined])
      const b = g.input('b', 'float32', [undefined])
      g.output('y', g.op('Sub', [g.op('Shape', [a]), g.op('Shape', [b])]))
    },
    { only },
  )
  expect(count(ops, 'Shape')).toBe(2)
})

it('leaves outputs of the graph and other graphs alone', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', ['n'])
      g.output('a', g.op('Shape', [x]))
      g.output('b', g.op('Shape', [g.op('Exp', [x])]))
    },
    { only, dimensions },
  )
  expect(count(ops, 'Shape')).toBe(2)
})

testDrawn(
  'common-shape-data',
  fc.record({
    reads: fc.array(
      fc.record({ ofB: fc.boolean(), axis: fc.nat({ max: 1 }), asScalar: fc.boolean(), detour: fc.nat({ max: 2 }) }),
      {
        minLength: 2,
        maxLength: 6,
      },
    ),
    opset: fc.constantFrom(13, 17),
  }),
  ({ reads, opset }) => ({
    build: (g) => {
      const a = g.input('a', 'float32', ['batch', 'sequence', 8])
      const b = g.input('b', 'float32', ['batch', 'sequence'])
      for (const [index, { ofB, axis, asScalar, detour }] of reads.entries()) {
        let value = g.op('Gather', [g.op('Shape', [ofB ? b : a]), int64(asScalar ? axis : [axis])])
        if (detour > 0) value = g.op('Div', [g.op('Mul', [value, int64(detour * 3)]), int64(detour * 3)])
        g.output(`y${index}`, g.op('Neg', [value]))
      }
    },
    opset,
    dimensions,
    fires:
      reads.some((one, index) =>
        reads
          .slice(0, index)
          .some(({ ofB, axis, asScalar }) => ofB === one.ofB || (axis === one.axis && asScalar === one.asScalar)),
      ) || reads.some(({ detour }) => detour > 0),
  }),
  { also: ['dead-node'] },
)
