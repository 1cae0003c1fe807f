import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fuseGraph } from '../../../test/support/fuse-and-compare.ts'
import { Random } from '../../../test/support/run-model.ts'
import { buildModel, type ElementType, elementTypes } from '../../graph/index.ts'
import { fuse } from '../fuse.ts'
import { holdsAll } from './cast-chain.ts'

const only = ['cast-chain']

const chain = (from: ElementType, types: readonly ElementType[], opset = 17) =>
  fuseGraph(
    (g) => {
      let value = g.op('Identity', [g.input('x', from, [6])])
      for (const type of types) value = g.op('Cast', [value], { to: elementTypes[type].code })
      g.output('y', value)
    },
    { only, opset, feeds: { x: new Random(3).tensor([6], from, [0, 100]) } },
  )

describe('cast-chain', () => {
  it.each<[ElementType, ElementType, ElementType, number]>([
    ['float32', 'float64', 'float32', 0],
    ['float16', 'float32', 'float16', 0],
    ['int32', 'int64', 'int32', 0],
    ['int32', 'float64', 'int32', 0],
    ['uint8', 'float16', 'uint8', 0],
    ['bool', 'float32', 'bool', 0],
    ['uint8', 'int32', 'float32', 1],
    ['int32', 'int64', 'int8', 1],
    ['float16', 'float32', 'float64', 1],
    ['float32', 'float64', 'bool', 1],
    ['float32', 'float64', 'float16', 1],
  ])('%s to %s to %s takes %#', async (from, through, to, casts) => {
    const { ops } = await chain(from, [through, to])
    expect(ops).toEqual(['Identity', ...new Array<string>(casts).fill('Cast')])
  })

  it.each<[ElementType, ElementType, ElementType, RegExp]>([
    ['float32', 'int32', 'float32', /does not hold all values/],
    ['float32', 'float16', 'float32', /does not hold all values/],
    ['int64', 'float32', 'int64', /does not hold all values/],
    ['int32', 'uint8', 'int32', /does not hold all values/],
    ['int32', 'float32', 'int32', /does not hold all values/],
    ['float16', 'float32', 'int32', /is not defined/],
    ['int32', 'bool', 'int32', /does not hold all values/],
  ])('keeps %s to %s to %s', async (from, through, to, reason) => {
    const { ops, reasons } = await chain(from, [through, to])
    expect(ops).toEqual(['Identity', 'Cast', 'Cast'])
    expect(reasons[0]).toMatch(reason)
  })

  it.each<ElementType>(['string', 'float8e4m3fn'])(
    'keeps what ends as %s, which writes its numbers in ways of its own',
    (to) => {
      const model = buildModel(
        (g) => {
          const wide = g.op('Cast', [g.input('x', 'float32', [6])], { to: elementTypes.float64.code })
          g.output('y', g.op('Cast', [wide], { to: elementTypes[to].code }))
        },
        { opset: 19 },
      )
      expect(fuse(model, { only }).model).toBe(model)
    },
  )

  it.each([9, 13, 19])('reads Cast of opset %i, and longer chains', async (opset) => {
    expect((await chain('uint8', ['int16', 'int32', 'float32'], opset)).ops).toEqual(['Identity', 'Cast'])
  })
})

it('knows for all pairs of types whether one holds the other', () => {
  expect(holdsAll('bool', 'bool')).toBe(true)
  expect(holdsAll('bool', 'uint8')).toBe(true)
  expect(holdsAll('uint8', 'bool')).toBe(false)
  expect(holdsAll('string', 'string')).toBe(true)
  expect(holdsAll('float32', 'string')).toBe(false)
  expect(holdsAll('uint8', 'int8')).toBe(false)
  expect(holdsAll('uint8', 'int16')).toBe(true)
  expect(holdsAll('int16', 'uint32')).toBe(false)
  expect(holdsAll('int16', 'float32')).toBe(true)
  expect(holdsAll('int16', 'float16')).toBe(false)
  expect(holdsAll('uint16', 'bfloat16')).toBe(false)
  expect(holdsAll('int32', 'float64')).toBe(true)
  expect(holdsAll('int64', 'float64')).toBe(false)
  expect(holdsAll('bfloat16', 'float16')).toBe(false)
  expect(holdsAll('float16', 'bfloat16')).toBe(false)
  expect(holdsAll('bfloat16', 'float32')).toBe(true)
})

it('computes the same for random chains', async () => {
  const type = fc.constantFrom<ElementType>('float32', 'float16', 'float64', 'int8', 'uint8', 'int32', 'int64', 'bool')
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<ElementType>('int8', 'uint8', 'int32', 'float32'),
      fc.array(type, { minLength: 2, maxLength: 4 }),
      (from, types) => chain(from, types).then(() => undefined),
    ),
    { numRuns: 60 },
  )
})
