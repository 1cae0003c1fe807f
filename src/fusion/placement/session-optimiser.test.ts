import { describe, expect, it } from 'vitest'
import { buildModel, type Dimension, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'
import { placement } from './index.ts'

/** What is left on the CPU of y = f(x), by operator; what onnxruntime 1.30 was seen to leave of the same graphs. */
const onCpu = (f: (g: GraphBuilder, x: Value) => Value, shape: readonly Dimension[] = ['b', 's', 8]): string[] =>
  placement(buildModel((g) => g.output('y', f(g, g.input('x', 'float32', shape)))))
    .cpu.map(({ op }) => op)
    .sort()

const size = (g: GraphBuilder, x: Value, axis: number): Value => g.op('Gather', [g.op('Shape', [x]), int64(axis)])
const unsqueezed = (g: GraphBuilder, x: Value): Value => g.op('Unsqueeze', [x, int64([0])])
/** Uses a size in a way that keeps it. */
const expanded = (g: GraphBuilder, x: Value): Value =>
  g.op('Expand', [g.constant([1]), g.op('Mul', [unsqueezed(g, x), int64([2])])])

describe('where a session places what its own optimiser has been over', () => {
  it('counts nothing that follows from sizes which are fixed', () => {
    expect(onCpu((g, x) => expanded(g, size(g, x, 1)))).toEqual(['Gather', 'Mul', 'Unsqueeze'])
    expect(onCpu((g, x) => expanded(g, size(g, g.op('Relu', [x]), 1)), [2, 3, 8])).toEqual([])
  })

  it('does not take sizes as fixed that onnxruntime does not follow', () => {
    const left = onCpu((g, x) => {
      const rows = g.op('Range', [int64(0), size(g, x, 2), int64(1)])
      const floats = g.op('Cast', [rows], { to: 1 })
      return expanded(g, g.op('Squeeze', [g.op('Shape', [floats])]))
    })
    // The Cast goes, since nothing but its shape is used.
    expect(left).toEqual(['Gather', 'Mul', 'Range', 'Shape', 'Squeeze', 'Unsqueeze'])
  })

  it('counts what is computed twice once', () => {
    const twice = onCpu((g, x) => g.op('Add', [expanded(g, size(g, x, 0)), expanded(g, size(g, x, 0))]))
    expect(twice).toEqual(['Gather', 'Mul', 'Unsqueeze'])
  })

  it.each<[string, string[], (g: GraphBuilder, x: Value) => Value[]]>([
    [
      'sizes that stay and a number',
      [],
      (g, x) => [unsqueezed(g, size(g, x, 0)), unsqueezed(g, size(g, x, 1)), g.constant([2, 4], { type: 'int64' })],
    ],
    ['one size of elsewhere', [], (g, x) => [unsqueezed(g, size(g, x, 1)), int64Value(g, [2, 4])]],
    [
      'two sizes of elsewhere',
      ['Concat', 'Gather', 'Gather', 'Unsqueeze', 'Unsqueeze'],
      (g, x) => [unsqueezed(g, size(g, x, 1)), unsqueezed(g, size(g, x, 0)), int64Value(g, [8])],
    ],
  ])('writes out the shape of a Reshape of %s', (_name, left, parts) => {
    expect(onCpu((g, x) => g.op('Reshape', [x, g.op('Concat', parts(g, x), { axis: 0 })]))).toEqual(left)
  })

  it('keeps a shape that several Reshapes share', () => {
    const left = onCpu((g, x) => {
      const shape = g.op('Concat', [unsqueezed(g, size(g, x, 0)), int64Value(g, [-1])], { axis: 0 })
      return g.op('Add', [g.op('Reshape', [x, shape]), g.op('Reshape', [g.op('Relu', [x]), shape])])
    })
    expect(left).toEqual(['Concat', 'Gather', 'Unsqueeze'])
  })

  it.each<[string, number, (g: GraphBuilder, turned: Value) => Value]>([
    ['an activation', 2, (g, turned) => g.op('Relu', [turned])],
    ['a Reshape', 2, (g, turned) => g.op('Reshape', [turned, int64([-1, 4])])],
    ['a MatMul', 1, (g, turned) => g.op('MatMul', [turned, g.constant(new Float32Array(64), { dims: [8, 8] })])],
  ])('adds a Gather to the shape of a Transpose, but not beside a MatMul: %s', (_name, gathers, other) => {
    const found = placement(
      buildModel((g) => {
        const turned = g.op('Transpose', [g.op('Relu', [g.input('x', 'float32', ['b', 's', 8])])], { perm: [1, 0, 2] })
        g.output('y', other(g, turned))
        g.output('z', expanded(g, size(g, turned, 0)))
      }),
    )
    expect(found.cpu.filter(({ op }) => op === 'Gather')).toHaveLength(gathers)
  })

  it('knows that a Slice of everything goes', () => {
    const all = (g: GraphBuilder, x: Value): Value =>
      g.op('Slice', [
        x,
        int64([0]),
        Tensor.fromBytes('int64', [1], new Uint8Array(BigInt64Array.of(2n ** 63n - 1n).buffer)),
        int64([0]),
        int64([1]),
      ])
    expect(
      onCpu((g, x) =>
        expanded(g, g.op('Squeeze', [all(g, g.op('Slice', [g.op('Shape', [x]), int64([0]), int64([1])]))])),
      ),
    ).toEqual(
      onCpu((g, x) => expanded(g, g.op('Squeeze', [g.op('Slice', [g.op('Shape', [x]), int64([0]), int64([1])])]))),
    )
  })

  it('copies nothing for the type that CastLike takes from', () => {
    const found = placement(
      buildModel((g) => {
        const x = g.input('x', 'float32', ['b', 8])
        const count = size(g, x, 0)
        g.output('y', g.op('CastLike', [g.op('Neg', [x]), count]))
        g.output('z', expanded(g, count))
      }),
    )
    expect(found.copies.toGpu).toBe(0)
  })
})

const int64Value = (g: GraphBuilder, values: number[]): Value => g.constant(values, { type: 'int64' })
