import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  add,
  broadcastDims,
  ceilDivide,
  type Dim,
  equalDims,
  exactDivide,
  floorDivide,
  lowerBound,
  maximum,
  minimum,
  modulo,
  multiply,
  parseDim,
  provablyDifferent,
  substitute,
  subtract,
  symbol,
  truncatingDivide,
  unknownDim,
  unknownInteger,
  upperBound,
} from './expression.ts'

const [a, b, h, n] = ['a', 'b', 'h', 'n'].map(symbol) as [Dim, Dim, Dim, Dim]

describe('expressions are written in one canonical form', () => {
  it.each<[string, Dim]>([
    ['2*h', add(h, h)],
    ['n+1', add(1, n)],
    ['n-1', subtract(n, 1)],
    ['a - b', subtract(a, b)],
    ['a - b', add(multiply(b, -1), a)],
    ['-a-2', subtract(-2, a)],
    ['a*b+2*a+3', add(multiply(a, add(b, 2)), 3)],
    ['floor(h/2)', floorDivide(h, 2)],
    ['floor((h+1)/2)', ceilDivide(h, 2)],
    ['h+1', floorDivide(add(multiply(h, 2), 3), 2)],
    ['floor(h/2)', floorDivide(add(multiply(h, 2), 1), 4)],
    ['floor(h/8)', floorDivide(floorDivide(floorDivide(h, 2), 2), 2)],
    ['floor((h+3)/4)', ceilDivide(ceilDivide(h, 2), 2)],
    ['floor((h-1)/n)', floorDivide(subtract(h, 1), n)],
    ['max(0,n-1)', maximum(subtract(n, 1), 0)],
    ['max(0,n-1)', subtract(n, minimum(1, n))],
    ['n', maximum(n, 0)],
    ['2*max(0,n-1)', maximum(subtract(multiply(n, 2), 2), 0)],
    ['max(0,n-3)', maximum(subtract(maximum(subtract(n, 1), 0), 2), 0)],
  ])('%s', (text, dim) => {
    expect(String(dim)).toBe(text)
  })

  it('is a number when the symbols cancel', () => {
    expect(subtract(add(h, 3), h)).toBe(3)
    expect(multiply(h, 0)).toBe(0)
    expect(exactDivide(multiply(h, 6), multiply(h, 2))).toBe(3)
  })

  it('prints a lone name as it is, and quotes an odd one among others', () => {
    expect(String(symbol('batch-size'))).toBe('batch-size')
    expect(String(add(symbol('batch-size'), 1))).toBe('"batch-size"+1')
  })
})

describe('division', () => {
  it('divides polynomials that divide evenly', () => {
    const sum = add(n, 1)
    expect(String(exactDivide(multiply(multiply(sum, b), 192), multiply(sum, 64)))).toBe('3*b')
    expect(exactDivide(add(n, 1), 2)).toBeUndefined()
    expect(exactDivide(n, h)).toBeUndefined()
    expect(exactDivide(n, 0)).toBeUndefined()
  })

  it('truncates toward zero only where the sign is known', () => {
    expect(String(truncatingDivide(h, 2))).toBe('floor(h/2)')
    expect(truncatingDivide(subtract(h, 1), 2)).toBeUndefined()
    expect(truncatingDivide(-7, 2)).toBe(-3)
    expect(truncatingDivide(unknownInteger(), 2)).toBeUndefined()
    expect(truncatingDivide(h, 0)).toBeUndefined()
  })

  it('throws for a division by zero', () => {
    expect(() => floorDivide(h, 0)).toThrow(RangeError)
  })
})

describe('broadcasting', () => {
  it('takes the size that is not 1', () => {
    expect(broadcastDims(1, h)).toBe(h)
    expect(broadcastDims(h, 5)).toBe(5)
    expect(broadcastDims(3, 5)).toBeUndefined()
    expect(broadcastDims(h, add(n, 2))).toEqual(add(n, 2))
  })

  it('names the common size of two open dims the same whatever the order', () => {
    const one = broadcastDims(h, n) ?? 0
    expect(String(one)).toBe('broadcast(h,n)')
    expect(equalDims(one, broadcastDims(n, one) ?? 0)).toBe(true)
  })

  it('is not fooled by an empty dim against 1', () => {
    // a = 1 and b = 0 would give 0.
    expect(broadcastDims(add(h, 1), h)).not.toEqual(add(h, 1))
    expect(String(broadcastDims(h, minimum(h, 512)))).toBe('h')
  })
})

describe('anonymous symbols', () => {
  it('equal themselves and nothing else', () => {
    const [one, other] = [unknownDim(), unknownDim()]
    expect(equalDims(add(one, 1), add(1, one))).toBe(true)
    expect(equalDims(one, other)).toBe(false)
    expect(provablyDifferent(one, other)).toBe(false)
    expect(provablyDifferent(one, add(one, 1))).toBe(true)
  })
})

describe('parsing', () => {
  it.each([
    ['n+1', 'n+1'],
    ['past_length + length', 'length+past_length'],
    ['(s0//2)', 'floor(s0/2)'],
    ['floor((h-1)/2) + 1', 'floor((h+1)/2)'],
    ['ceil(h/2)', 'floor((h+1)/2)'],
    ['4*s0*s1', '4*s0*s1'],
    ['min(a,b)', 'a - max(0,a - b)'],
    ['batch-size', 'batch-size'],
    ['seq/2', 'seq/2'],
    ['p2o.DynamicDimension.0', 'p2o.DynamicDimension.0'],
    ['a b', 'a b'],
    ['f(x)', 'f(x)'],
    ['floor(h/0)', 'floor(h/0)'],
    ['(n', '(n'],
    ['é', 'é'],
  ])('%s', (text, printed) => {
    expect(String(parseDim(text))).toBe(printed)
  })

  it.each(['?', '', '-1', 'None', '?7', '12', 'unk'])('%j names no size', (text) => {
    expect(parseDim(text)).toBeUndefined()
  })
})

/** An expression and the number that it stands for, built by the same steps. */
interface Pair {
  readonly dim: Dim
  readonly value: number
}

type Step = (current: Pair, other: Pair, positive: number) => Pair

const steps: readonly Step[] = [
  (p, q) => ({ dim: add(p.dim, q.dim), value: p.value + q.value }),
  (p, q) => ({ dim: subtract(q.dim, p.dim), value: q.value - p.value }),
  (p, q) => ({ dim: multiply(p.dim, q.dim), value: p.value * q.value }),
  (p, _, by) => ({ dim: floorDivide(p.dim, by), value: Math.floor(p.value / by) }),
  (p, _, by) => ({ dim: ceilDivide(p.dim, by), value: Math.ceil(p.value / by) }),
  (p, q) => ({ dim: minimum(p.dim, q.dim), value: Math.min(p.value, q.value) }),
  (p, q) => ({ dim: maximum(q.dim, p.dim), value: Math.max(p.value, q.value) }),
  (p, _, by) => ({ dim: modulo(p.dim, by) ?? 0, value: p.value - by * Math.floor(p.value / by) }),
]

const names = ['a', 'b', 'h', 'n'] as const

const draws = fc.record({
  sizes: fc.tuple(fc.nat(70), fc.nat(3), fc.nat(300), fc.nat(9)),
  steps: fc.array(
    fc.record({ step: fc.constantFrom(...steps), number: fc.integer({ min: -3, max: 6 }), name: fc.nat(3) }),
    { maxLength: 7 },
  ),
})

describe('arithmetic', () => {
  it('stands for the numbers under every size of the symbols; bounds hold, and the text reads back', () => {
    fc.assert(
      fc.property(draws, (draw) => {
        const sizes = new Map<string, Dim>(names.map((name, index) => [name, draw.sizes[index] ?? 0]))
        const sized = (index: number): Pair => ({
          dim: symbol(names[index] ?? 'n'),
          value: draw.sizes[index] ?? 0,
        })
        let pair = sized(3)
        for (const { step, number, name } of draw.steps) {
          const other = number === 0 ? sized(name) : { dim: number, value: number }
          pair = step(pair, other, Math.abs(number) + 1)
        }
        const { dim, value } = pair
        expect(substitute(dim, sizes)).toBe(value + 0)
        expect(lowerBound(dim)).toBeLessThanOrEqual(value)
        expect(upperBound(dim)).toBeGreaterThanOrEqual(value)
        if (typeof dim !== 'number') expect(String(parseDim(dim.toString()))).toBe(dim.toString())
      }),
      { numRuns: 3000 },
    )
  })
})
