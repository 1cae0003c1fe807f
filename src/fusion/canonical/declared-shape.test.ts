import { describe, expect, it } from 'vitest'
import { fuseAndCompare } from '../../../test/support/fuse-and-compare.ts'
import { buildModel, type Dimension, type GraphBuilder, int64, type Value } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

/** [1, w, 4] → [w, 1, 4], by a shape which the runtime does not follow before opset 13, declared as something else. */
const viewOf = (declared: readonly Dimension[] | undefined, width: Dimension = 'w') =>
  buildModel(
    (g) => {
      const x = g.input('x', 'float32', [1, width, 4])
      g.output('y', g.op('Reshape', [x, shape(g, x)]))
      const [y] = g.graph.outputs
      if (y) y.type = { kind: 'tensor', elementType: 'float32', shape: declared }
    },
    { opset: 12 },
  )

const shape = (g: GraphBuilder, x: Value): Value => {
  const size = g.op(
    'Unsqueeze',
    [g.op('Gather', [g.op('Shape', [x]), g.constant([1], { dims: [], type: 'int64' })], { axis: 0 })],
    { axes: [0] },
  )
  return g.op('Concat', [size, int64([1, 4])], { axis: 0 })
}

describe('declared-shape', () => {
  it.each([
    ['a rank that is too low', [1, 'w']],
    ['a rank that is too high', [1, 'w', 1, 4]],
    ['another size', ['w', 1, 5]],
  ])('corrects %s, with which the fused model would not load', async (_, declared) => {
    const { model, report } = await fuseAndCompare(viewOf(declared), { tolerance: 0 })
    expect(report.fusions).toMatchObject({ 'raise-opset': 1, 'declared-shape': 1 })
    expect(model.graph.outputs[0]?.shape).toEqual([undefined, 1, 4])
  })

  it('leaves what may hold as it is declared', async () => {
    for (const declared of [undefined, ['width', 1, 4], [undefined, undefined, undefined]]) {
      const { model, report } = await fuseAndCompare(viewOf(declared))
      expect(report.fusions).not.toHaveProperty('declared-shape')
      expect(model.graph.outputs[0]?.shape).toEqual(declared)
    }
  })

  it('is no reason to write a model anew', () => {
    const model = viewOf([1, 'w'])
    expect(fuse(model, { only: ['declared-shape'] }).model).toBe(model)
  })

  it('corrects nested graphs', async () => {
    const { model, report } = await fuseAndCompare(
      buildModel(
        (g) => {
          const x = g.input('x', 'float32', [1, 'w', 4])
          const branch = () =>
            g.subgraph((b) => {
              const inner = b.op('Reshape', [x, shape(b, x)])
              inner.type = { kind: 'tensor', elementType: 'float32', shape: ['w', 4] }
              b.graph.addOutput(b.op('Neg', [inner]))
            })
          const condition = g.op('Greater', [g.op('ReduceMax', [x], { keepdims: 0 }), 0])
          g.output('y', g.op('If', [condition], { then_branch: branch(), else_branch: branch() }))
        },
        { opset: 12 },
      ),
      { tolerance: 0 },
    )
    expect(report.fusions).toMatchObject({ 'declared-shape': 2 })
    const shapes = [...model.graph.walk()].filter(({ op }) => op === 'Reshape').map(({ outputs }) => outputs[0]?.shape)
    expect(shapes).toEqual([
      [undefined, 1, 4],
      [undefined, 1, 4],
    ])
  })
})
