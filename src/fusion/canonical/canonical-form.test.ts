import fc from 'fast-check'
import { expect, it } from 'vitest'
import { expectSameOutputs, Random } from '../../../test/support/run-model.ts'
import {
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  int64,
  type Model,
  type Value,
} from '../../graph/index.ts'
import { fuse } from '../fuse.ts'

const random = new Random(17)

/** Nodes that keep a tensor of rank 3 one: what exporters write in many ways, and what undoes itself. */
const steps: readonly ((g: GraphBuilder, x: Value, other: Value) => Value)[] = [
  (g, x) => g.op('Mul', [x, 0.5]),
  (g, x) => g.op('Add', [x, random.tensor([1], 'float32', [1, 2])]),
  (g, x) => g.op('Sub', [g.constant(3), x]),
  (g, x) => g.op('Div', [x, 3]),
  (g, x) => g.op('Mul', [x, 1]),
  (g, x) => g.op('Pow', [x, 2]),
  (g, x) => g.op('Relu', [x]),
  (g, x) => g.op('Max', [x, -1]),
  (g, x) => g.op('Min', [x, 4]),
  (g, x) => g.op('Clip', [x, -2, 6]),
  (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 11 })], { to: 1 }),
  (g, x) => g.op('Cast', [g.op('Cast', [x], { to: 7 })], { to: 1 }),
  (g, x) => g.op('Transpose', [x], { perm: [1, 0, 2] }),
  (g, x) => g.op('Transpose', [x]),
  (g, x) => g.op('Squeeze', [g.op('Unsqueeze', [x, int64([1])]), int64([1])]),
  (g, x) => g.op('Unsqueeze', [g.op('Reshape', [x, int64([0, -1])]), int64([2])]),
  (g, x) => g.op('Reshape', [x, g.op('Shape', [x])]),
  (g, x) =>
    g.op('Reshape', [
      x,
      g.op('Concat', [g.op('Gather', [g.op('Shape', [x]), int64([0])]), int64([1, -1])], { axis: 0 }),
    ]),
  (g, x) => g.op('Slice', [x, int64([0]), int64([2 ** 31 - 1]), int64([1])]),
  (g, x) => g.op('Slice', [g.op('Slice', [x, int64([0]), int64([3]), int64([0])]), int64([0]), int64([2]), int64([2])]),
  (g, x) => g.op('Pad', [g.op('Pad', [x, int64([0, 0, 0, 0, 0, 1])]), int64([0, 0, 1, 0, 0, 0])]),
  (g, x) => g.op('Concat', [x], { axis: 0 }),
  (g, x) => g.op('Concat', [g.op('Concat', [x, x], { axis: 2 }), x], { axis: -1 }),
  (g, x) =>
    g.op('Concat', [...g.node('Split', [g.op('Concat', [x, x], { axis: 0 })], {}, { outputs: 2 }).outputs], {
      axis: 0,
    }),
  (g, x) => g.op('Where', [g.op('Not', [g.op('Greater', [x, 0])]), x, g.op('Neg', [g.op('Neg', [x])])]),
  (g, x) => g.op('Add', [g.op('Sigmoid', [x]), g.op('Sigmoid', [x])]),
  (g, _x, other) => g.op('Tanh', [other]),
]

const build = (choices: readonly number[], batch: number | string): Model =>
  buildModel((g) => {
    const values = [g.input('x', 'float32', [batch, 2, 3])]
    for (const choice of choices) {
      const [x, other] = [values.at(-1), values[choice % values.length]]
      const step = steps[choice % steps.length]
      if (x !== undefined && other !== undefined && step !== undefined) values.push(step(g, x, other))
    }
    g.output('y', g.op('Identity', values.slice(-1)))
  })

it('random graphs compute the same, end after few rewrites, and have nothing left to do', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(4, 'batch'),
      async (choices, batch) => {
        const before = concatenate(encode(build(choices, batch)).chunks)
        const { model, report } = fuse(decode(before))
        const nodes = report.nodes.before
        expect(report.rewrites).toBeLessThan(8 * nodes + 8)
        expect(report.nodes.after).toBeLessThanOrEqual(nodes)
        const after = concatenate(encode(model).chunks)
        await expectSameOutputs(before, after, { x: random.tensor([4, 2, 3]) }, 1e-5)
        expect(fuse(decode(after)).report.fusions).toEqual({})
      },
    ),
    { numRuns: 120 },
  )
})
