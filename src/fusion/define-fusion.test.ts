import { describe, expect, it } from 'vitest'
import { findNode, operators } from '../../test/support/find.ts'
import { fuseGraph } from '../../test/support/fuse-and-compare.ts'
import { buildModel, concatenate, encode, type GraphBuilder, Tensor } from '../graph/index.ts'
import { defineFusion, type Fusion } from './define-fusion.ts'
import { FusionError } from './errors.ts'
import { fuse } from './fuse.ts'
import { any, constant, node } from './pattern.ts'

/** x + 0 → x, where the zeros do not change the shape: as a user would write it. */
const addZero = (): Fusion => {
  const x = any()
  const zero = constant()
  return defineFusion({
    name: 'add-zero',
    pattern: node('Add', [x, zero], { commutative: true }),
    conditions: [
      (match) =>
        match
          .tensor(zero)
          .toNumbers()
          .every((value) => value === 0)
          ? undefined
          : 'it adds more than zeros',
      (match) =>
        match.tensor(zero).size === 1 && match.tensor(zero).dims.length === 0
          ? undefined
          : 'the zeros may change the shape',
    ],
    replace: (match) => match.value(x),
  })
}

const adds =
  (...constants: Tensor[]) =>
  (g: GraphBuilder): void => {
    const sums = constants.map((tensor, index) =>
      g.op(
        'Add',
        index % 2
          ? [tensor, g.op('Relu', [g.input(`x${index}`, 'float32', [2, 3])])]
          : [g.op('Relu', [g.input(`x${index}`, 'float32', [2, 3])]), tensor],
        {},
        { name: `add${index}` },
      ),
    )
    g.output('y', g.op('Concat', sums, { axis: 0 }))
  }

const scalar = (value: number): Tensor => Tensor.fromNumbers('float32', [], [value])

describe('a fusion of the user', () => {
  it('fires on either side, and says why not elsewhere', async () => {
    const build = adds(scalar(0), scalar(0), scalar(1), Tensor.fromNumbers('float32', [1, 3], [0, 0, 0]))
    const { ops, report } = await fuseGraph(build, { fusions: [addZero()], only: ['add-zero'] })
    expect(ops.filter((op) => op === 'Add')).toHaveLength(2)
    expect(report.fusions).toEqual({ 'add-zero': 2 })
    expect(report.nearMisses).toEqual([
      { fusion: 'add-zero', node: 'add2', reason: 'it adds more than zeros' },
      { fusion: 'add-zero', node: 'add3', reason: 'the zeros may change the shape' },
    ])
  })

  it('leaves no trace where it refuses after having built something', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x')], {}, { name: 'relu' })))
    const before = concatenate(encode(model).chunks)
    for (const answer of ['no', undefined]) {
      const late = defineFusion({
        name: 'late',
        roots: ['Relu'],
        rewrite(root, g) {
          g.op('Neg', [g.op('Add', [root.inputs[0], [1, 2, 3]])])
          return answer
        },
      })
      const { model: fused, report } = fuse(model, { fusions: [late] })
      expect(fused).toBe(model)
      expect(report.nearMisses).toEqual(answer === undefined ? [] : [{ fusion: 'late', node: 'relu', reason: 'no' }])
      expect(concatenate(encode(model).chunks)).toEqual(before)
    }
  })

  it('may replace some outputs of its root and leave the others', () => {
    const model = buildModel((g) => {
      const [low, high] = g.node('Split', [g.input('x')], {}, { outputs: 2 }).outputs
      g.output('y', g.op('Neg', [low]))
      g.output('z', g.op('Abs', [high]))
    })
    const second = defineFusion({
      name: 'second',
      roots: ['Split'],
      rewrite: (root, g) => (root.outputs[1]?.isUsed ? [undefined, g.op('Slice', [root.inputs[0]])] : undefined),
    })
    const { model: fused } = fuse(model, { fusions: [second], only: ['second'] })
    expect(operators(fused)).toEqual(['Slice', 'Split', 'Neg', 'Abs'])
    expect(findNode(fused, 'Abs').inputs[0]).toBe(findNode(fused, 'Slice').output)
    expect(findNode(fused, 'Neg').inputs[0]?.producer).toBe(findNode(fused, 'Split'))
  })

  it('may reach past its root', () => {
    const model = buildModel((g) => {
      const exp = g.op('Exp', [g.input('x')])
      g.output('y', g.op('Log', [exp]))
      g.output('z', g.op('Neg', [exp]))
    })
    const past = defineFusion({
      name: 'past',
      roots: ['Log'],
      rewrite(root, g) {
        const exp = root.inputs[0]?.producer
        return exp?.is('Exp') ? [{ from: exp.output, to: g.before(exp).op('Sin', [exp.inputs[0]]) }] : undefined
      },
    })
    const { model: fused } = fuse(model, { fusions: [past], only: ['past'] })
    expect(operators(fused)).toEqual(['Sin', 'Log', 'Neg'])
  })

  it('may ask for shapes and types, declared or inferred', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.op('Neg', [g.input('x', 'float16', [2, 'n'])])])))
    const asked: unknown[] = []
    const curious = defineFusion({
      name: 'curious',
      pattern: node('Relu', [any()]),
      conditions: [
        (match, context) => {
          const [x] = match.root.inputs
          if (x) asked.push(context.elementType(x), context.shape(x)?.map(String))
          return 'it only asked'
        },
      ],
      replace: () => 'never',
    })
    fuse(model, { fusions: [curious], only: ['curious'] })
    expect(asked).toEqual(['float16', ['2', 'n']])
  })

  it('may match an operator of another domain, which then goes', () => {
    const model = buildModel((g) => g.output('y', g.op('Twice', [g.input('x')], {}, { domain: 'my.domain' })), {
      opsets: { 'my.domain': 1 },
    })
    const x = any()
    const twice = defineFusion({
      name: 'twice',
      pattern: node('Twice', [x], { domain: 'my.domain' }),
      replace: (match, g) => g.op('Add', [match.value(x), match.value(x)]),
    })
    expect(operators(fuse(model, { fusions: [twice], only: ['twice'] }).model)).toEqual(['Add'])
  })

  it.each(['', 'Add Zero', 'addZero', 'add_zero', '-add', 'add-', 'add--zero'])('cannot have the name %j', (name) => {
    expect(() => defineFusion({ name, roots: ['Add'], rewrite: () => undefined })).toThrow(FusionError)
    expect(() => defineFusion({ name, roots: ['Add'], rewrite: () => undefined })).toThrow(
      expect.objectContaining({ code: 'invalid-fusion', fusion: name }),
    )
  })
})
