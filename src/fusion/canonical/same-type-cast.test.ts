import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shapes, testDrawn } from '../../../test/support/drawn-models.ts'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { elementTypes } from '../../graph/index.ts'

const only = ['same-type-cast']
const { float32, float64, int64 } = {
  float32: elementTypes.float32.code,
  float64: elementTypes.float64.code,
  int64: elementTypes.int64.code,
}

it.each([9, 13, 19])('drops a Cast to the type that is there already (opset %i)', async (opset) => {
  const { ops } = await fuseGraph(
    (g) => g.output('y', g.op('Cast', [g.op('Relu', [g.input('x', 'float32', [2, 3])])], { to: float32 })),
    { only, opset },
  )
  expect(ops).toEqual(['Relu'])
})

it('knows types that the model does not declare, after a cast and in a shape', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [2, 3])
      g.output('y', g.op('Cast', [g.op('Neg', [g.op('Cast', [x], { to: float64 })])], { to: float64 }))
      g.output('shape', g.op('Cast', [g.op('Shape', [x])], { to: int64 }))
    },
    { only },
  )
  expect(ops).toEqual(['Cast', 'Neg', 'Shape'])
})

it('drops a CastLike', async () => {
  const { ops } = await fuseGraph(
    (g) => {
      const x = g.input('x', 'float32', [2, 3])
      g.output('y', g.op('CastLike', [g.op('Relu', [x]), g.input('like', 'float32', [1])]))
    },
    { only },
  )
  expect(ops).toEqual(['Relu'])
})

it('keeps a Cast to another type', async () => {
  const { ops } = await fuseGraph(
    (g) => g.output('y', g.op('Cast', [g.op('Relu', [g.input('x', 'float32', [2])])], { to: float64 })),
    { only },
  )
  expect(ops).toEqual(['Relu', 'Cast'])
})

it('keeps a Cast that is all there is between an input and an output', async () => {
  const { ops, reasons } = await fuseGraph(
    (g) => g.output('y', g.op('Cast', [g.input('x', 'float32', [2])], { to: float32 })),
    { only },
  )
  expect(ops).toEqual(['Cast'])
  expect(reasons).toEqual(['The output "y" would become an input of its graph.'])
})

testDrawn(
  'same-type-cast',
  fc.record({
    types: fc.array(fc.constantFrom('float32', 'float64', 'float16', 'int32', 'int64', 'bool'), {
      minLength: 1,
      maxLength: 5,
    }),
    shape: shapes({ min: 0 }),
    opset: fc.constantFrom(9, 13, 19),
  }),
  ({ types, shape, opset }) => ({
    build: (g) =>
      g.output(
        'y',
        types.reduce(
          (value, type) => g.op('Cast', [value], { to: elementTypes[type].code }),
          g.op('Neg', [g.input('x', 'float32', shape)]),
        ),
      ),
    opset,
    fires: types.filter((type, index) => type === (types[index - 1] ?? 'float32')).length,
  }),
)
