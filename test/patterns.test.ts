import { afterAll, describe, expect, it } from 'vitest'
import { disposeEvaluator } from '../src/plugin/evaluator.ts'
import { families, type Pattern, patternModel } from './patterns/index.ts'
import { operators } from './support/find.ts'
import { fuseAndCompare } from './support/fuse-and-compare.ts'

afterAll(disposeEvaluator)

const interfaceOf = (model: ReturnType<typeof patternModel>): unknown =>
  [model.graph.inputs, model.graph.outputs].map((values) =>
    values.map(({ name, elementType, shape }) => ({ name, elementType, shape })),
  )

describe.each(Object.entries(families))('%s', (_family, patterns) => {
  it.each(patterns.map((pattern) => [pattern.name, pattern] as const))('%s', async (_name, pattern: Pattern) => {
    const original = patternModel(pattern)
    const { model, report } = await fuseAndCompare(original, { dimensions: { batch: 3 }, ...pattern.options })
    expect(interfaceOf(model)).toEqual(interfaceOf(original))
    expect(report.nearMisses.filter(({ reason }) => reason.startsWith('wrong rewrite:'))).toEqual([])
    const left = operators(model).sort()
    const expected = [...pattern.expected].sort()
    if (pattern.done === false) expect(left, 'This pattern is done now: take the mark away.').not.toEqual(expected)
    else expect(left).toEqual(expected)
    if (pattern.initializers !== undefined) expect(model.graph.initializers.size).toBe(pattern.initializers)
  })
})
