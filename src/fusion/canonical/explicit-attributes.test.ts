import { expect, it } from 'vitest'
import { type CompareOptions, type Fused, fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import type { BuildOptions, GraphBuilder, Value } from '../../graph/index.ts'

const only = ['explicit-attributes', 'where-not']
const random = new Random(4)

/** Beside something that is an improvement: explicit attributes alone are none. */
const fused = (
  build: (g: GraphBuilder, x: Value) => Value,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> =>
  fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [1, 4, 6, 6])
      g.output('y', build(g, x))
      g.output('z', g.op('Where', [g.op('Not', [g.op('Greater', [x, 0])]), x, 0]))
    },
    { only, ...options },
  )

const attributes = ({ model }: Fused): Record<string, unknown> =>
  Object.fromEntries(
    [...([...model.graph.nodes].find(({ op }) => /Conv|Pool/.test(op))?.attributes.values() ?? [])].map(
      ({ name, value }) => [name, value],
    ),
  )

it('writes out what a convolution leaves to its defaults', async () => {
  const result = await fused((g, x) => g.op('Conv', [x, random.tensor([2, 4, 3, 2])]))
  expect(attributes(result)).toEqual({
    dilations: [1, 1],
    group: 1,
    kernel_shape: [3, 2],
    pads: [0, 0, 0, 0],
    strides: [1, 1],
  })
})

it('keeps what is given', async () => {
  const given = { dilations: [2, 1], group: 2, kernel_shape: [2, 2], pads: [1, 0, 1, 1], strides: [1, 2] }
  const result = await fused((g, x) => g.op('Conv', [x, random.tensor([2, 2, 2, 2])], given))
  expect(attributes(result)).toEqual(given)
})

it('leaves the pads that the operator works out itself', async () => {
  const same = await fused((g, x) =>
    g.op('Conv', [x, random.tensor([2, 4, 3, 3])], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  )
  expect(attributes(same)).not.toHaveProperty('pads')
  const shaped = await fused((g, x) =>
    g.op('ConvTranspose', [x, random.tensor([4, 2, 3, 3])], { output_shape: [12, 12], strides: [2, 2] }),
  )
  expect(attributes(shaped)).not.toHaveProperty('pads')
})

it('writes out those of ConvTranspose and of pools, as far as the opset has them', async () => {
  const transposed = await fused((g, x) => g.op('ConvTranspose', [x, random.tensor([4, 1, 3, 3])], { group: 4 }))
  expect(attributes(transposed)).toMatchObject({
    dilations: [1, 1],
    output_padding: [0, 0],
    kernel_shape: [3, 3],
    group: 4,
  })
  const max = await fused((g, x) => g.op('MaxPool', [x], { kernel_shape: [2, 2] }))
  expect(attributes(max)).toMatchObject({ dilations: [1, 1], ceil_mode: 0, strides: [1, 1], pads: [0, 0, 0, 0] })
  const average = await fused((g, x) => g.op('AveragePool', [x], { kernel_shape: [2, 2] }))
  expect(attributes(average)).not.toHaveProperty('dilations')
  const newer = await fused((g, x) => g.op('AveragePool', [x], { kernel_shape: [2, 2] }), { opset: 19 })
  expect(attributes(newer)).toHaveProperty('dilations')
  const old = await fused((g, x) => g.op('MaxPool', [x], { kernel_shape: [2, 2] }), { opset: 9 })
  expect(attributes(old)).not.toHaveProperty('ceil_mode')
})

it('keeps both outputs of MaxPool', async () => {
  const { model } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [1, 1, 4, 4])
      const { outputs } = g.node('MaxPool', [x], { kernel_shape: [2, 2] }, { outputs: 2 })
      for (const [index, output] of outputs.entries()) if (output !== undefined) g.output(`y${index}`, output)
      g.output('z', g.op('Where', [g.op('Not', [g.op('Greater', [x, 0])]), x, 0]))
    },
    { only },
  )
  expect(model.graph.outputs.map(String)).toEqual(['y0', 'y1', 'z'])
})

it('waits for a kernel whose sizes are known', async () => {
  const { model } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [1, 4, 6, 6])
      g.output('y', g.op('Conv', [x, g.input('w', 'float32', [2, 4, 'k', 'k'])]))
      g.output('z', g.op('Where', [g.op('Not', [g.op('Greater', [x, 0])]), x, 0]))
    },
    { only, dimensions: { k: 3 } },
  )
  const [conv] = model.graph.nodes
  expect([...(conv?.attributes.keys() ?? [])]).toEqual([])
})

it('is no improvement by itself: the model stays byte for byte', async () => {
  const { bytes, report } = await fuseGraph(
    (g) => g.output('y', g.op('Conv', [g.input('x', 'float32', [1, 4, 6, 6]), random.tensor([2, 4, 3, 3])])),
    { only },
  )
  expect(bytes.after).toBe(bytes.before)
  expect(report.fusions).toEqual({})
})
