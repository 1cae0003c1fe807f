import { describe, expect, it } from 'vitest'
import { findNode } from '../../test/support/find.ts'
import { buildModel, type Graph, type GraphBuilder } from '../graph/index.ts'
import { matchPattern, requiredBy, rootsOf } from './match-pattern.ts'
import {
  any,
  constant,
  either,
  Match,
  node,
  optional,
  type Pattern,
  product,
  Refusal,
  type RootPattern,
  scalar,
  sum,
} from './pattern.ts'

const graphOf = (build: (g: GraphBuilder) => void): Graph => buildModel(build).graph

const matched = (pattern: RootPattern, graph: Graph, root: string): Match => {
  const match = matchPattern(pattern, findNode(graph, root))
  if (!(match instanceof Match)) throw new Error(match instanceof Refusal ? match.reason : 'there is no such pattern')
  return match
}

const refused = (pattern: RootPattern, graph: Graph, root: string): string | undefined => {
  const match = matchPattern(pattern, findNode(graph, root))
  return match instanceof Refusal ? match.reason : undefined
}

describe('a pattern matches', () => {
  it('an expression, and names its parts', () => {
    const [x, weight] = [any(), constant()]
    const conv = node('Conv', [x, weight])
    const graph = graphOf((g) => g.output('y', g.op('Relu', [g.op('Conv', [g.input('x'), [1, 2]])])))
    const match = matched(node('Relu', [conv]), graph, 'Relu')
    expect(match.root).toBe(findNode(graph, 'Relu'))
    expect(match.node(conv)).toBe(findNode(graph, 'Conv'))
    expect(match.value(x).name).toBe('x')
    expect(match.tensor(weight).toNumbers()).toEqual(Float64Array.of(1, 2))
    expect(() => match.node(node('Conv', []))).toThrow(RangeError)
    expect(() => match.value(any())).toThrow(RangeError)
    expect(() => match.tensor(constant())).toThrow(RangeError)
  })

  it('an optional input that is given, left out, or left out by an empty name', () => {
    const bias = optional(constant())
    const pattern = node('Conv', [any(), any(), bias])
    for (const [inputs, found] of [
      [[[1], [2], [3]], [3]],
      [[[1], [2]], undefined],
      [[[1], [2], undefined], undefined],
    ] as const) {
      const match = matched(
        pattern,
        graphOf((g) => g.output('y', g.op('Conv', inputs))),
        'Conv',
      )
      expect(match.optionalTensor(bias)?.toNumbers()).toEqual(found && Float64Array.from(found))
      expect(match.optionalValue(bias) === undefined).toBe(found === undefined)
    }
  })

  it('one of several operators', () => {
    const pattern = node(['Relu', 'Elu'], [any()])
    expect(
      matched(
        pattern,
        graphOf((g) => g.output('y', g.op('Elu', [g.input('x')]))),
        'Elu',
      ),
    ).toBeInstanceOf(Match)
    expect(rootsOf(pattern)).toEqual(['Relu', 'Elu'])
    expect(rootsOf(node('Gelu', [any()], { domain: 'com.microsoft' }))).toEqual(['com.microsoft::Gelu'])
  })

  it('commutative inputs in either order', () => {
    const [x, c] = [any(), constant()]
    const pattern = node('Add', [x, c], { commutative: true })
    for (const flip of [false, true]) {
      const graph = graphOf((g) => {
        const inputs = [g.input('x'), g.constant([1])]
        g.output('y', g.op('Add', flip ? inputs.reverse() : inputs))
      })
      expect(matched(pattern, graph, 'Add').value(x).name).toBe('x')
      expect(refused(node('Add', [x, c]), graph, 'Add') === undefined).toBe(!flip)
    }
  })

  it('the same part twice where it is the same value', () => {
    const x = any()
    const square = node('Mul', [x, x])
    const graph = graphOf((g) => {
      const [a, b] = [g.input('a'), g.input('b')]
      g.output('y', g.op('Mul', [a, a], {}, { name: 'same' }))
      g.output('z', g.op('Mul', [a, b], {}, { name: 'other' }))
    })
    expect(matched(square, graph, 'same').value(x).name).toBe('a')
    expect(matchPattern(square, findNode(graph, 'other'))).toBeUndefined()
  })

  it('a value with other users only where that is allowed', () => {
    const graph = graphOf((g) => {
      const exp = g.op('Exp', [g.input('x')])
      g.output('y', g.op('Neg', [exp], {}, { name: 'neg' }))
      g.output('z', g.op('Abs', [exp], {}, { name: 'abs' }))
    })
    expect(refused(node('Neg', [node('Exp', [any()])]), graph, 'Neg')).toMatch(/has 2 users: neg, abs/)
    expect(matched(node('Neg', [node('Exp', [any()], { shared: true })]), graph, 'Neg')).toBeInstanceOf(Match)
  })

  it('a value that only the pattern uses, more than once', () => {
    const graph = graphOf((g) => {
      const exp = g.op('Exp', [g.input('x')])
      g.output('y', g.op('Add', [exp, g.op('Neg', [exp])]))
    })
    const exp = node('Exp', [any()])
    expect(matched(node('Add', [exp, node('Neg', [exp])]), graph, 'Add')).toBeInstanceOf(Match)
  })

  it('alternatives, the first that fits', () => {
    const [a, b] = [node('Exp', [any()]), node('Log', [any()])]
    const graph = graphOf((g) => g.output('y', g.op('Neg', [g.op('Log', [g.input('x')])])))
    const match = matched(node('Neg', [either(a, b)]), graph, 'Neg')
    expect([match.has(a), match.has(b)]).toEqual([false, true])
  })

  it('numbers, within the rounding of their type', () => {
    const half = scalar(Math.SQRT1_2)
    const pattern = node('Mul', [any(), half])
    const times = (value: number) => graphOf((g) => g.output('y', g.op('Mul', [g.input('x'), value])))
    expect(matched(pattern, times(Math.SQRT1_2 * (1 + 1e-6)), 'Mul').number(half)).toBeCloseTo(Math.SQRT1_2, 5)
    expect(matchPattern(pattern, findNode(times(Math.SQRT1_2 * (1 + 1e-4)), 'Mul'))).toBeUndefined()
    const whatever = scalar()
    expect(matched(node('Mul', [any(), whatever]), times(3), 'Mul').number(whatever)).toBe(3)
  })

  it('products and sums in every spelling', () => {
    const [x, y] = [any(), any()]
    const spellings: ((g: GraphBuilder) => void)[] = [
      (g) => g.output('out', g.op('Mul', [g.op('Mul', [g.input('a'), 0.5]), g.input('b')], {}, { name: 'root' })),
      (g) => g.output('out', g.op('Div', [g.op('Mul', [g.input('a'), g.input('b')]), 2], {}, { name: 'root' })),
      (g) => g.output('out', g.op('Mul', [g.input('a'), g.op('Mul', [0.5, g.input('b')])], {}, { name: 'root' })),
    ]
    for (const spelling of spellings) {
      const match = matched(product(0.5, [x, y]), graphOf(spelling), 'root')
      expect([match.value(x).name, match.value(y).name].sort()).toEqual(['a', 'b'])
    }
    const add = graphOf((g) => g.output('y', g.op('Sub', [g.input('a'), -1], {}, { name: 'root' })))
    expect(matched(sum(1, [x]), add, 'root').value(x).name).toBe('a')
  })
})

describe('a pattern does not match', () => {
  const graph = graphOf((g) => {
    const split = g.node('Split', [g.input('x')], {}, { name: 'split', outputs: 2 })
    g.output('first', g.op('Neg', [split.outputs[0]], {}, { name: 'of first' }))
    g.output('second', g.op('Neg', [split.outputs[1]], {}, { name: 'of second' }))
    g.output('three', g.op('Clip', [g.input('a'), 0, 1], {}, { name: 'clip' }))
    g.output('foreign', g.op('Neg', [g.input('b')], {}, { domain: 'my.domain', name: 'foreign' }))
  })

  it.each<[string, RootPattern, string]>([
    ['a further output of a node', node('Neg', [node('Split', [any()])]), 'of second'],
    ['another operator', node('Abs', [any()]), 'of first'],
    ['another operator below', node('Neg', [node('Abs', [any()])]), 'of first'],
    ['an input where a node is asked for', node('Neg', [node('Neg', [any()])]), 'foreign'],
    ['more inputs than it has parts', node('Clip', [any(), any()]), 'clip'],
    ['fewer inputs than it has parts', node('Clip', [any(), any(), any(), any()]), 'clip'],
    ['an operator of another domain', node('Neg', [any()]), 'foreign'],
  ])('%s', (_, pattern, root) => {
    expect(matchPattern(pattern, findNode(graph, root))).toBeUndefined()
  })

  it('a node whose output is used elsewhere, and names the first of many users', () => {
    const used = graphOf((g) => {
      const inner = g.op('Exp', [g.input('x')])
      for (const name of 'abcdef') g.output(name, g.op('Neg', [inner], {}, { name }))
    })
    expect(refused(node('Neg', [node('Exp', [any()])]), used, 'a')).toBe('"Exp" has 6 users: a, b, c, d, and 2 more')
  })

  it('a node whose further output is used, and says so', () => {
    expect(refused(node('Neg', [node('Split', [any()])]), graph, 'of first')).toMatch(
      /another output of split, is used/,
    )
  })
})

it('a pattern is data: it can be made once and used many times', () => {
  const parts: Pattern[] = [any(), constant()]
  const pattern = node('Add', parts)
  for (const value of [1, 2]) {
    const graph = graphOf((g) => g.output('y', g.op('Add', [g.input('x'), value])))
    expect(matchPattern(pattern, findNode(graph, 'Add'))).toBeInstanceOf(Match)
  }
})

describe('the operators that a pattern cannot do without', () => {
  const x = any()
  it.each<[string, Pattern, string[]]>([
    ['are its own and those of its inputs', node('Relu', [node('Conv', [x])]), ['Relu', 'Conv']],
    ['have their domain', node('Gelu', [x], { domain: 'com.microsoft' }), ['com.microsoft::Gelu']],
    ['are not those between which it chooses', node(['Max', 'Min'], [node('Neg', [x])]), ['Neg']],
    ['are those in all alternatives', either(node('Exp', [node('Neg', [x])]), node('Neg', [x])), ['Neg']],
    ['are not those of an input that may be left out', node('Clip', [x, optional(node('Neg', [x]))]), ['Clip']],
    ['are those of the parts of a product, which has many spellings', product(2, [node('Erf', [x]), x]), ['Erf']],
  ])('%s', (_, pattern, operators) => {
    expect([...requiredBy(pattern)]).toEqual(operators)
  })
})
