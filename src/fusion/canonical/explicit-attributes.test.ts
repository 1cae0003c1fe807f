import fc from 'fast-check'
import { expect, it } from 'vitest'
import { testDrawn } from '../../../test/support/drawn-models.ts'
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

it('does not take the kernel of a default that a caller may override for the kernel', async () => {
  const result = await fused((g, x) => {
    const weight = g.input('w', 'float32', [2, 4, 'height', 'width'])
    g.graph.setDefault(weight, random.tensor([2, 4, 3, 3]))
    return g.op('Conv', [x, weight])
  })
  expect(attributes(result)).toEqual({})
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

testDrawn(
  'explicit-attributes',
  fc.record({
    op: fc.constantFrom('Conv', 'ConvTranspose', 'MaxPool', 'AveragePool'),
    image: fc.array(fc.integer({ min: 4, max: 7 }), { minLength: 1, maxLength: 3 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    given: fc.record(
      {
        strides: fc.integer({ min: 1, max: 2 }),
        pads: fc.constant(1),
        dilations: fc.integer({ min: 1, max: 2 }),
        group: fc.constantFrom(1, 2),
        auto_pad: fc.constantFrom('VALID', 'SAME_UPPER', 'NOTSET'),
        ceil_mode: fc.constantFrom(0, 1),
        count_include_pad: fc.constantFrom(0, 1),
      },
      { requiredKeys: [] },
    ),
    opset: fc.constantFrom(9, 11, 17, 19),
  }),
  ({ op, image, kernel, given, opset }) => ({
    build: (g) => {
      const all = (number: number, times = 1): number[] => new Array<number>(image.length * times).fill(number)
      const { strides, pads, dilations, group = 1, auto_pad, ceil_mode, count_include_pad } = given
      const isPool = op.endsWith('Pool')
      const automatic = auto_pad !== undefined && auto_pad !== 'NOTSET'
      const attributes: Record<string, number | string | number[]> = {
        ...(strides && { strides: all(strides) }),
        // Padding is narrower than the kernel, and the runtime's own only where no size depends on it.
        ...(pads && kernel > pads && !automatic && { pads: all(pads, 2) }),
        ...(dilations && !isPool && !automatic && { dilations: all(dilations) }),
        ...(auto_pad && op === 'Conv' && { auto_pad }),
        ...(group > 1 && !isPool && { group }),
        ...(isPool && { kernel_shape: all(kernel) }),
        ...(ceil_mode !== undefined && isPool && opset >= 10 && { ceil_mode }),
        ...(count_include_pad !== undefined && op === 'AveragePool' && { count_include_pad }),
      }
      const x = g.input('x', 'float32', [1, 4, ...image])
      const weight = random.tensor(op === 'Conv' ? [2, 4 / group, ...all(kernel)] : [4, 2, ...all(kernel)])
      g.output('y', g.op(op, isPool ? [x] : [x, weight], attributes))
      g.output('z', g.op('Where', [g.op('Not', [g.op('Greater', [x, 0])]), x, g.op('Neg', [x])]))
    },
    opset,
  }),
  { also: ['where-not'] },
)
