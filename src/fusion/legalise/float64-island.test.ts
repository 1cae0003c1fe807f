import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { type Spelling, testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, type GraphBuilder, int64, Tensor, type Value } from '../../graph/index.ts'

const double = (...numbers: number[]): Tensor => Tensor.fromNumbers('float64', [numbers.length], numbers)
const cast = (g: GraphBuilder, x: Value, type: ElementType): Value => g.op('Cast', [x], { to: elementTypes[type].code })

/** f of x as float64, back as what x was, or as another type. */
const inDouble =
  (f: Formula, back?: ElementType): Formula =>
  (g, x) => {
    const y = cast(g, f(g, cast(g, x, 'float64')), back ?? x.elementType ?? 'float32')
    return back === undefined ? y : cast(g, y, 'float32')
  }
const moved: Formula = (g, x) => {
  const turned = g.op('Transpose', [g.op('Reshape', [x, int64([0, 4, 36])])], { perm: [0, 2, 1] })
  return g.op('Concat', [turned, g.op('Neg', [g.op('Slice', [turned, int64([0]), int64([3]), int64([1])])])], {
    axis: 1,
  })
}
const chosen: Formula = (g, x) => g.op('Min', [g.op('Max', [g.op('Abs', [x]), double(0.1)]), double(2.3)])
const third = 1 / 3

/** Up to five operators that move or choose, before or after one that rounds. */
const drawn: fc.Arbitrary<Spelling> = fc
  .record({
    before: fc.array(fc.constantFrom('Neg', 'Abs', 'Relu', 'Floor'), { maxLength: 2 }),
    rounds: fc.constantFrom('Add', 'Sub', 'Mul', 'Div', 'none'),
    after: fc.array(fc.constantFrom('Neg', 'Abs', 'Relu'), { maxLength: 2 }),
    number: fc.float({ min: 0.5, max: 3, noNaN: true }),
    type: fc.constantFrom<ElementType>('float32', 'float16'),
  })
  .map(({ before, rounds, after, number, type }) => {
    const exact = Tensor.fromNumbers(type, [1], [number]).toNumbers()[0] ?? 1
    const build = inDouble((g, x) => {
      const first = before.reduce((y, op) => g.op(op, [y]), x)
      const second = rounds === 'none' ? first : g.op(rounds, [first, double(exact)])
      return after.reduce((y, op) => g.op(op, [y]), second)
    })
    return { build, types: [type] }
  })

testLowering('float64-island', {
  spellings: {
    'that moves elements': inDouble(moved),
    'that chooses, by numbers that are rounded': inDouble(chosen),
    'that rounds once': inDouble((g, x) => g.op('Mul', [x, double(0.375)])),
    'that rounds once at last': inDouble((g, x) => g.op('Div', [g.op('Floor', [x]), double(3)])),
    'that takes a root, in opset 21': { build: inDouble((g, x) => g.op('Sqrt', [g.op('Abs', [x])])), opset: 21 },
    'that ends as another type': { build: inDouble(moved, 'float16'), types: ['float32'] },
    'that ends as whole numbers': { build: inDouble((g, x) => g.op('Floor', [x]), 'int32'), types: ['float32'] },
    'that is compared': {
      build: (g, x) => cast(g, g.op('Less', [g.op('Neg', [cast(g, x, 'float64')]), double(0.5)]), 'float32'),
      types: ['float32'],
    },
    'of a narrower type than it ends as': {
      build: (g, x) => g.op('Mul', [x, cast(g, chosen(g, cast(g, cast(g, x, 'float16'), 'float64')), 'float32')]),
      types: ['float32'],
    },
  },
  drawn,
  leftAlone: {
    'two roundings': [
      /computed in float64 from what float32 does not hold/,
      inDouble((g, x) => g.op('Add', [g.op('Mul', [x, double(0.5)]), double(1)])),
    ],
    'a product with a number that float32 does not hold': [
      /what float32 does not hold/,
      inDouble((g, x) => g.op('Mul', [x, double(third)])),
    ],
    'a rounded number that is compared': [
      /rounded before it is compared/,
      (g, x) => cast(g, g.op('Less', [cast(g, x, 'float64'), double(third)]), 'float32'),
    ],
  },
  tolerance: 0,
})
