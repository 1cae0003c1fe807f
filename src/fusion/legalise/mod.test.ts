import fc from 'fast-check'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { testLowering } from '../../../test/support/lowering.ts'
import { type ElementType, elementTypes, Tensor } from '../../graph/index.ts'

const toFloat = { to: elementTypes.float32.code }

/** Mod of 5·x as integers, back as a float; by a constant, or by what is an input. */
const integers =
  (type: ElementType, divisors: number | readonly number[] | 'given', fmod = 0): Formula =>
  (g, x) => {
    const whole = g.op('Cast', [g.op('Mul', [type === 'uint32' ? g.op('Abs', [x]) : x, 5])], {
      to: elementTypes[type].code,
    })
    const list = typeof divisors === 'number' ? [divisors] : divisors
    const by =
      list === 'given'
        ? g.input('by', type, [6])
        : Tensor.fromNumbers(type, typeof divisors === 'number' ? [] : [list.length], list)
    return g.op('Cast', [g.op('Mod', [whole, by], fmod ? { fmod } : {})], toFloat)
  }
const given = (type: ElementType) => ({
  by: Tensor.fromNumbers(type, [6], type === 'uint32' ? [1, 2, 3, 4, 5, 9] : [1, -2, 3, -4, 5, -9]),
})
const small = fc.integer({ min: -1000, max: 1000 })
const types = ['float32'] as const

testLowering('lower-mod', {
  op: 'Mod',
  spellings: {
    'of int32 by a number above 0': { build: integers('int32', 3), types },
    'of int32 by a number below 0': { build: integers('int32', -4), types },
    'of int32 by numbers of both signs': { build: integers('int32', [3, -3, 4, -5, 1, -1]), types },
    'of int32 by what is an input': { build: integers('int32', 'given'), types, feeds: given('int32') },
    'of int32 with the sign of what is divided': { build: integers('int32', 'given', 1), types, feeds: given('int32') },
    'of uint32, in opset 11': { build: integers('uint32', 'given'), types, feeds: given('uint32'), opset: 11 },
    'of floats by 1': { build: (g, x) => g.op('Mod', [x, 1], { fmod: 1 }) },
    'of floats by powers of two': { build: (g, x) => g.op('Mod', [x, [1, 2, -4, 8, 1, 2]], { fmod: 1 }) },
  },
  leftAlone: {
    'floats by 3': [/no power of two/, (g, x) => g.op('Mod', [x, 3], { fmod: 1 })],
    'floats by a half, since twice the float may be infinite': [
      /from 1 on/,
      (g, x) => g.op('Mod', [x, 0.5], { fmod: 1 }),
    ],
    'floats by what is an input': [
      /no power of two/,
      { build: (g, x) => g.op('Mod', [x, g.input('by', 'float32', [])], { fmod: 1 }), shape: [3] },
    ],
  },
  numbers: small,
})
